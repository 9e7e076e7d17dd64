"""Runs DVC and git, and shows their own last words if they fail."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from imagemake.core.known_secrets import redacted, redacted_bytes
from imagemake.core.problems import NotReadyError
from imagemake.core.text import printable

SHOWN_LINES = 12
SHOWN_CHARACTERS = 500  # per line
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_AFTER_LINE_END = re.compile(rb"(?<=[\r\n])")
_KEPT_BYTES = 65_536


def failure_of(name: str, status: int, said: bytes, remedy: str) -> NotReadyError:
    """Return the error of a program that failed.

    Args:
        name: The command, as users write it.
        status: Its exit status; negative if a signal ended it.
        said: What it wrote; the last lines are shown, printable and without secrets.
        remedy: What to do, as a sentence.
    """
    ended = f"signal {-status} ended it" if status < 0 else f"it ended with status {status}"
    return NotReadyError(f"{printable(redacted(name))}: {ended}: {last_words(said)}", remedy)


def last_words(said: bytes) -> str:
    """Return the last lines of what a program wrote, printable and without secrets; further ones are indented."""
    text = _ESCAPE_SEQUENCE.sub("", redacted(said.decode(errors="replace"))).replace("\t", " ")
    # As a terminal shows it: a carriage return writes over what stands in its line, such as a progress bar.
    shown = [line.rstrip().rpartition("\r")[2] for line in text.split("\n")]
    lines = [printable(line)[:SHOWN_CHARACTERS] for line in shown if line.strip()]
    return "\n    ".join(lines[-SHOWN_LINES:]) or "it wrote no message"


def run_aloud(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, bytes]:
    """Run a command and pass on its standard error, such as progress bars, line by line and without secrets.

    Returns:
        Its exit status, and the end of its standard error.
    """
    process = subprocess.Popen(  # noqa: S603  no user input
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stderr is not None
    said = line = b""
    with process:
        while data := process.stderr.read(_KEPT_BYTES):
            said = (said + data)[-_KEPT_BYTES:]
            *whole, line = _AFTER_LINE_END.split(line + data)
            sys.stderr.write(redacted_bytes(b"".join(whole)).decode(errors="replace"))
            sys.stderr.flush()
        sys.stderr.write(redacted_bytes(line).decode(errors="replace"))
    return process.returncode, said
