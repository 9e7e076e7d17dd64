"""Standard error of the process that runs Snakemake: whole lines, and in a terminal one live line below them.

Jobs inherit file descriptor 2, and whatever they or a library print would break the live line. So for the time of the
run, descriptor 2 is Snakemake's log, and only this process writes to the terminal.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import RLock, local
from typing import TextIO

STANDARD_ERROR = 2
ERASE = "\r\x1b[2K"
DEFAULT_WIDTH = 80
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a server's message must not command the terminal


class Screen:
    """Writes lines and the live line.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = ""
        self._lock = RLock()  # a signal handler may print while the same thread prints
        self.is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int:
        """Characters that fit on a line without a wrap."""
        with suppress(OSError, ValueError):
            return (os.get_terminal_size(self._stream.fileno()).columns or DEFAULT_WIDTH) - 1  # 0: not told
        return DEFAULT_WIDTH - 1

    def say(self, text: str) -> None:
        """Write lines, above the live line if there is one."""
        text = _CONTROL.sub("?", text)
        with self._lock:
            live, self._live = self._live, ""
            self._write(f"{ERASE if live else ''}{text}\n{live}")
            self._live = live

    def show(self, line: str) -> None:
        """Replace the live line; without a terminal, there is none."""
        line = _CONTROL.sub("?", line)
        with self._lock:
            if self.is_terminal and line != self._live:
                self._write(f"{ERASE if self._live else ''}{line}")
                self._live = line

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # the terminal may be gone, as after a lost connection
            self._stream.write(text)
            self._stream.flush()


class Takeover:
    """Lets only this process write to standard error, and everything else to a file, until `end`.

    Args:
        log: The file.
        before_lines: Called before this process's main program prints lines.
    """

    def __init__(self, log: Path, before_lines: Callable[[], None]) -> None:
        self._stream = sys.stderr
        self._stream.flush()
        self._own = os.dup(STANDARD_ERROR)
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(file, STANDARD_ERROR)
        os.close(file)
        self._terminal = os.fdopen(self._own, "w", encoding=self._stream.encoding, errors="backslashreplace")
        self.screen = Screen(self._terminal)
        self._lines = _Lines(self.screen, before_lines)
        sys.stderr = self._lines

    def end(self) -> None:
        """Let everything write to standard error again."""
        self._lines.close_line()
        self.screen.show("")
        os.dup2(self._own, STANDARD_ERROR)
        sys.stderr = self._stream
        with suppress(OSError):
            self._terminal.close()


class _Lines(io.TextIOBase):
    """Takes the place of `sys.stderr`, and passes on whole lines."""

    def __init__(self, screen: Screen, before_lines: Callable[[], None]) -> None:
        self._screen = screen
        self._before_lines = before_lines
        self._unended = local()  # for each thread: `print` writes a text and its end one after the other

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._screen.is_terminal

    def write(self, text: str) -> int:
        lines, ended, self._unended.text = (self._pending() + text).rpartition("\n")
        if ended:
            self._before_lines()
            self._screen.say(lines)
        return len(text)

    def close_line(self) -> None:
        """Write what has no line end yet."""
        if self._pending():
            self.write("\n")

    def _pending(self) -> str:
        return getattr(self._unended, "text", "")
