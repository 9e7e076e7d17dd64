"""Removes parts of a file."""

from __future__ import annotations


def without_spans(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Return a file without some parts, given by start and end in ascending order."""
    if not spans:
        return data
    kept, at = [], 0
    for start, end in spans:
        kept.append(data[at:start])
        at = end
    return b"".join([*kept, data[at:]])
