"""A word diff: which words of a text were removed and which were added."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

Part = tuple[Literal["=", "-", "+"], str]

# Limits the time for a hostile prompt: the work is bounded by edits² + edits · words.
MAX_WORDS = 12_000
MAX_EDITS = 250
MAX_CHARACTERS = 20_000
_WORD = re.compile(r"\s+|\w+|[^\w\s]")


def word_diff(before: str, after: str) -> list[Part]:
    """Compare two texts word by word.

    Args:
        before: The earlier text, cut to `MAX_CHARACTERS`.
        after: The later text, cut to `MAX_CHARACTERS`.

    Returns:
        Kept (``=``), removed (``-``), and added (``+``) text, in order. Kept and removed text make up the earlier text,
        kept and added text the later one. Texts with little in common are removed and added as a whole.
    """
    one, other = (_WORD.findall(_cut(text)) for text in (before, after))
    start = _common(one, other)
    end = _common(one[start:][::-1], other[start:][::-1])
    middle = one[start : len(one) - end], other[start : len(other) - end]
    parts: list[Part] = [("=", word) for word in one[:start]]
    parts += _edits(*middle)
    parts += [("=", word) for word in one[len(one) - end :]]
    return list(_joined(_without_islands(parts)))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "…"


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _edits(one: Sequence[str], other: Sequence[str]) -> list[Part]:
    whole: list[Part] = [("-", word) for word in one]
    whole += [("+", word) for word in other]
    if len(one) + len(other) > MAX_WORDS:
        return whole
    trace = _trace(one, other)
    return whole if trace is None else _walked_back(one, other, trace)


def _trace(one: Sequence[str], other: Sequence[str]) -> list[dict[int, int]] | None:
    """Find the fewest edits, up to `MAX_EDITS`.

    Source: E. W. Myers, "An O(ND) difference algorithm and its variations", Algorithmica 1, 1986.

    Returns:
        For each number of edits, the farthest position in `one` on each diagonal.
    """
    reached, trace = {1: 0}, []
    for edits in range(min(MAX_EDITS, len(one) + len(other)) + 1):
        trace.append(dict(reached))
        for diagonal in range(-edits, edits + 1, 2):
            x = _step(reached, diagonal, edits)
            while x < len(one) and x - diagonal < len(other) and one[x] == other[x - diagonal]:
                x += 1
            reached[diagonal] = x
            if x >= len(one) and x - diagonal >= len(other):
                return trace
    return None


def _step(reached: dict[int, int], diagonal: int, edits: int) -> int:
    down = diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])
    return reached[diagonal + 1] if down else reached[diagonal - 1] + 1


def _walked_back(one: Sequence[str], other: Sequence[str], trace: list[dict[int, int]]) -> list[Part]:
    parts: list[Part] = []
    x, y = len(one), len(other)
    for edits in range(len(trace) - 1, -1, -1):
        reached, diagonal = trace[edits], x - y
        down = diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])
        before = diagonal + 1 if down else diagonal - 1
        from_x = reached[before] if edits else 0
        from_y = from_x - before if edits else 0
        while x > from_x and y > from_y and one[x - 1] == other[y - 1]:
            x, y = x - 1, y - 1
            parts.append(("=", one[x]))
        if not edits:
            break
        if down:
            y -= 1
            parts.append(("+", other[y]))
        else:
            x -= 1
            parts.append(("-", one[x]))
    return parts[::-1]


def _without_islands(parts: Sequence[Part]) -> Iterator[Part]:
    """Treat blanks between changes as changed: `-red mug-` is easier to read than `-red- -mug-`."""
    for place, (mark, text) in enumerate(parts):
        is_island = (
            mark == "="
            and text.isspace()
            and 0 < place < len(parts) - 1
            and parts[place - 1][0] != "="
            and parts[place + 1][0] != "="
        )
        if is_island:
            yield "-", text
            yield "+", text
        else:
            yield mark, text


def _joined(parts: Iterator[Part]) -> Iterator[Part]:
    """Join adjacent parts of one kind, removed text before added text."""
    kept, removed, added = "", "", ""
    for mark, text in parts:
        if mark == "=" and (removed or added):
            yield from (part for part in _changed(removed, added))
            removed = added = ""
        if mark != "=" and kept:
            yield "=", kept
            kept = ""
        kept += text if mark == "=" else ""
        removed += text if mark == "-" else ""
        added += text if mark == "+" else ""
    if kept:
        yield "=", kept
    yield from _changed(removed, added)


def _changed(removed: str, added: str) -> Iterator[Part]:
    if removed:
        yield "-", removed
    if added:
        yield "+", added
