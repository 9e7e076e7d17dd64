"""Printing to a terminal or a pipe."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from imagemake.core.errors import ExitCode


def print_lines(lines: Iterable[str]) -> None:
    """Print each line as soon as it is there."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for terminals that cannot show a character
    for line in lines:
        print(line)


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
