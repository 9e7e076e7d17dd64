"""Numbers in responses, which may be anything."""

from __future__ import annotations

from typing import Any


def amount(value: Any, most: float) -> int | float | None:
    """Return a number from 0 to `most`; None for anything else, NaN and truth values too."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= most else None
