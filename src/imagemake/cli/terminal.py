"""Lines for a terminal or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they come; ends quietly where nobody reads on."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that has no such letter
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # such as `| head`; the interpreter would complain again when it closes standard output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
