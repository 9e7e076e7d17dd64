"""Leaves out Snakemake's line about the workflow profile that switched the console on.

Snakemake prints that line after it imports its plug-ins and before it creates them, so no plug-in can decide about it.
Therefore, something else is standard error until the first line is written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TextIO

_LINE = re.compile(r"Using workflow specific profile (?P<profile>.+) for setting default command line arguments\.")
_OURS = re.compile(r"^logger: *imagemake\b", re.MULTILINE)


def leave_out_profile_line() -> None:
    """Leave out that line if it is the first one that this process writes, unless the user wants to see everything."""
    if "snakemake" in Path(sys.argv[0]).parts and "--verbose" not in sys.argv:
        sys.stderr = _UntilFirstLine(sys.stderr)


class _UntilFirstLine:
    """Takes the place of `sys.stderr` until something is written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._left_out = ""
        self._is_first = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if sys.stderr is self:
            sys.stderr = self._stream
        is_end_of_left_out = bool(self._left_out) and text == "\n"
        self._left_out = text if self._is_first and _is_about_our_profile(text) else ""
        self._is_first = False
        return len(text) if self._left_out or is_end_of_left_out else self._stream.write(text)


def _is_about_our_profile(text: str) -> bool:
    match = _LINE.fullmatch(text)
    if match is None:
        return False
    try:
        return bool(_OURS.search((Path(match["profile"]) / "config.yaml").read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return False
