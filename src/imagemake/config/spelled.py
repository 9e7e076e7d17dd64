"""Numbers and truth values that remember how they are written, because ``00123`` and ``1.10`` can be texts.

``repr`` and ``str`` return the spelling, so cells, patterns, and messages show what the user wrote. pydantic turns the
numbers into plain ones for every field that is a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

_CELLS = ("variables", "defaults", "exclude", "include", "when", "only")  # keys whose values are compared with texts


class _Spelled:
    """What both kinds of numbers have."""

    spelling: str

    def __new__(cls, value: Any, spelling: str) -> Self:
        """Make a number with its spelling."""
        made = super().__new__(cls, value)  # type: ignore[call-arg]  # of int or float
        made.spelling = spelling
        return made

    def __repr__(self) -> str:
        return self.spelling

    def __getnewargs__(self) -> Any:
        return plain(self), self.spelling


class SpelledInt(_Spelled, int):
    """A whole number whose spelling is not Python's, such as ``00123``."""


class SpelledFloat(_Spelled, float):
    """A number whose spelling is not Python's, such as ``1.10``."""


class SpelledBool(SpelledInt):
    """A truth value that is written ``True``, ``TRUE``, ``False``, or ``FALSE``; `bool` cannot have subclasses."""


def plain(value: Any) -> Any:
    """Return a value in Python's own types, so that keys do not depend on a spelling."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    for kind, made in ((SpelledBool, bool), (SpelledInt, int), (SpelledFloat, float)):
        if isinstance(value, kind):
            return made(value)
    return value


def plain_config(value: Any, *, in_cells: bool = False) -> Any:
    """Return a configuration as dicts and lists, with the spelling of truth values only where cells are."""
    if isinstance(value, Mapping):
        return {key: plain_config(item, in_cells=in_cells or key in _CELLS) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_config(item, in_cells=in_cells) for item in value]
    return bool(value) if isinstance(value, SpelledBool) and not in_cells else value
