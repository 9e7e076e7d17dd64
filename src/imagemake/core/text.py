"""Text of campaigns and catalogs, and of messages: forbidden characters, escaping, numbers, counts, durations."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable

MINUTE_S, HOUR_S = 60, 3600

# C0 and C1 control characters except tab and line ends, and lone surrogates, which UTF-8 cannot encode.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def forbidden_character(text: str) -> str | None:
    """Return the first character that a prompt must not contain, such as ``U+0007``, or None."""
    found = _FORBIDDEN.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def printable(text: str) -> str:
    """Escape characters that a terminal interprets or hides: controls, line ends, bidi marks, lone surrogates."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def with_plain_line_ends(text: str) -> str:
    """Turn every line end into a line feed, so that a checkout on another system does not change a key."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def scalar_text(value: str | int | float | bool) -> str:
    """Write a JSON or YAML value as the text of a catalog cell: ``true``, ``12``, ``0.5``.

    Raises:
        ValueError: If it is infinite or NaN.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return value if isinstance(value, str) else repr(value)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``Did you mean 'color'?`` for the nearest known word, or an empty string if none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 image``, ``1,200 images``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration_words(seconds: float) -> str:
    """Return a duration in words: ``42 s``, ``12 minutes``, ``3 hours``."""
    if seconds >= 2 * HOUR_S:
        return f"{seconds / HOUR_S:,.0f} hours"
    return f"{seconds / MINUTE_S:.0f} minutes" if seconds >= 2 * MINUTE_S else f"{seconds:.0f} s"
