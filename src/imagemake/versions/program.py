"""Runs DVC and git, and shows their own last words if they fail."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from imagemake.core.errors import InterruptedByUserError
from imagemake.core.known_secrets import redacted, redacted_bytes
from imagemake.core.problems import NotReadyError
from imagemake.core.text import printable

SHOWN_LINES = 12
SHOWN_CHARACTERS = 500  # per line
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_AFTER_LINE_END = re.compile(rb"(?<=[\r\n])")
_KEPT_BYTES = 65_536
TELL_EVERY_S = 30.0
END_S = 10.0


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


def run_aloud(name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, bytes]:
    """Run a command, which people know by a name, and show how far it is, without secrets.

    A terminal gets its standard error, such as progress bars, line by line. A log gets the last line of it every half
    minute.

    Returns:
        Its exit status, and the end of its standard error.

    Raises:
        InterruptedByUserError: After Ctrl-C, once the command has ended.
    """
    process = subprocess.Popen(  # noqa: S603  no user input
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stderr is not None
    try:
        said = _shown(process.stderr) if sys.stderr.isatty() else _told(name, process.stderr)
        return process.wait(), said
    except KeyboardInterrupt:
        _end(process)
        raise InterruptedByUserError("\nStopped. Nothing was lost. To go on, run the same command again.") from None
    finally:
        process.stderr.close()


def _shown(pipe: IO[bytes]) -> bytes:
    said = line = b""
    while data := pipe.read(_KEPT_BYTES):
        said = (said + data)[-_KEPT_BYTES:]
        *whole, line = _AFTER_LINE_END.split(line + data)
        sys.stderr.write(redacted_bytes(b"".join(whole)).decode(errors="replace"))
        sys.stderr.flush()
    sys.stderr.write(redacted_bytes(line).decode(errors="replace"))
    return said


def _told(name: str, pipe: IO[bytes]) -> bytes:
    said, told_at = b"", time.monotonic()
    while data := pipe.read(_KEPT_BYTES):
        said = (said + data)[-_KEPT_BYTES:]
        if time.monotonic() - told_at >= TELL_EVERY_S:
            told_at = time.monotonic()
            print(f"imagemake: {name}: {last_words(said).rpartition(chr(10))[2].strip()}", file=sys.stderr, flush=True)
    return said


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a program end by the signal that it got from the terminal, too; otherwise, end it."""
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
