"""Printing to a terminal or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper


def print_lines(lines: Iterable[str]) -> None:
    """Print each line as soon as it is there; stop quietly if the reader closes the pipe."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for terminals that cannot show a character
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # such as `| head`; without this, Python reports the error again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
