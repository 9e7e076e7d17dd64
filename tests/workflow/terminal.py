"""A real terminal: what a run of Snakemake writes to it, and what then is on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import time
from collections.abc import Callable

from workflow.project import Project

COLUMNS = 80
ERASE = "\r\x1b[2K"
CTRL_C = b"\x03"


def in_terminal(made: Project, *arguments: str, interrupt_when: Callable[[str], bool] | None = None) -> tuple[int, str]:
    """Run Snakemake in a pseudo-terminal; return its exit status and what it wrote.

    Args:
        made: The project.
        arguments: Targets and options.
        interrupt_when: Called with what was written so far; once it is true, Ctrl-C is pressed.
    """
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(made.folder)
        os.execvpe(made.command()[0], made.command(*arguments), {**made.environment(), "TERM": "xterm"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    written = ""
    while True:
        try:
            written += os.read(terminal, 65536).decode()
        except OSError:  # the other side is closed
            break
        if interrupt_when is not None and interrupt_when(written):
            time.sleep(0.3)
            os.write(terminal, CTRL_C)
            interrupt_when = None
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), written


def on_screen(written: str) -> tuple[list[str], list[str]]:
    """Return the lines that stay on the screen, and the live lines that were there for a time."""
    stay: list[str] = []
    live: list[str] = []
    for line in written.replace("\r\n", "\n").split("\n"):
        *gone, last = line.split(ERASE)
        live += filter(None, gone)
        stay.append(last)
    return [line for line in stay if line], live
