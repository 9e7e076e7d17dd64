"""Text of campaigns and catalogs: its characters, how numbers are written, what a misspelled word meant."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable

# C0 and C1 control characters but tab and line ends, and lone surrogates, which no UTF-8 file can hold.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def forbidden_character(text: str) -> str | None:
    """Name the first character that no prompt can hold, such as ``U+0007``; None where all is well."""
    found = _FORBIDDEN.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def printable(text: str) -> str:
    """Escape what a terminal obeys or hides: control characters, line ends, bidirectional marks, lone surrogates."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def with_plain_line_ends(text: str) -> str:
    """Turn every line end into a line feed, so that a checkout on another system does not change a prompt's key."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def scalar_text(value: str | int | float | bool) -> str:
    """Write a value of JSON or YAML as a catalog's cell: ``true``, ``12``, ``0.5``.

    Raises:
        ValueError: If it is infinite or no number.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value!r} is no number that can be written")
    return value if isinstance(value, str) else repr(value)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``Did you mean 'color'?`` for the nearest known word, or nothing where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else ""
