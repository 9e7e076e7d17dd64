"""Cutting parts out of a file."""

from __future__ import annotations


def without_spans(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Cut parts out of a file; each is given by its start and end, in ascending order."""
    if not spans:
        return data
    kept, at = [], 0
    for start, end in spans:
        kept.append(data[at:start])
        at = end
    return b"".join([*kept, data[at:]])
