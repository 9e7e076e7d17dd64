"""Printing to a terminal or a pipe."""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from imagemake.core.errors import ExitCode

_TELL_EVERY_S = 5.0
_REDRAW_S = 0.2


def print_lines(lines: Iterable[str]) -> None:
    """Print each line as soon as it is there."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for terminals that cannot show a character
    for line in lines:
        print(line)


class Progress:
    """Tells on standard error how far a command is: in one line of a terminal, or else in a line every few seconds."""

    def __init__(self) -> None:
        self._in_place = sys.stderr.isatty()
        self._told_at = time.monotonic()
        self._width = 0

    def tell(self, words: str) -> None:
        """Show words such as ``17 of 100 files``; most calls show nothing."""
        now = time.monotonic()
        if now - self._told_at < (_REDRAW_S if self._in_place else _TELL_EVERY_S):
            return
        self._told_at = now
        if not self._in_place:
            print(f"imagemake: {words}", file=sys.stderr, flush=True)
            return
        shown = words[: shutil.get_terminal_size().columns - 1]
        print(f"\r{shown:<{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(shown)

    def end(self) -> None:
        """Clear the line, for what comes next."""
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)
            self._width = 0


@contextmanager
def end_with_reader() -> Iterator[None]:
    """Exit without a word if whoever reads the output, such as `head`, stops reading."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # what is still in memory meets the closed pipe here, and not at exit
    except BrokenPipeError:
        if not _is_closed(sys.stdout.fileno()):  # it was another pipe, such as one to git
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes the rest at exit
        sys.exit(ExitCode.CLOSED)


def _is_closed(pipe: int) -> bool:
    poll = select.poll()
    poll.register(pipe, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
