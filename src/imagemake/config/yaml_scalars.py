"""The scalars of YAML 1.2's core schema: which plain texts are numbers, truth values, or null, and what they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from imagemake.config.spelled import SpelledBool, SpelledFloat, SpelledInt

WRONG, TOO_LARGE = object(), object()  # instead of a value

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_NULL = re.compile(r"~|null|Null|NULL|")
_MOST_DIGITS = 22  # of a number of 64 bits, in any base


def _null(text: str) -> Any:
    return None if _NULL.fullmatch(text) else WRONG


def _bool(text: str) -> Any:
    if not _BOOL.fullmatch(text):
        return WRONG
    value = text.lower() == "true"
    return value if text.islower() else SpelledBool(value, text)


def _int(text: str) -> Any:
    if not _INT.fullmatch(text):
        return WRONG
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    digits = text[2:] if base != 10 else text.lstrip("+-")
    if len(digits.lstrip("0")) > _MOST_DIGITS:
        return TOO_LARGE
    value = int(digits.lstrip("0") or "0", base) * (-1 if text.startswith("-") else 1)
    if not -(2**63) <= value < 2**64:
        return TOO_LARGE
    return value if str(value) == text else SpelledInt(value, text)


def _float(text: str) -> Any:
    if _SPECIAL_FLOAT.fullmatch(text):
        return SpelledFloat(float(text.replace(".", "")), text)
    if not _FLOAT.fullmatch(text):
        return WRONG
    value = float(text)
    return value if str(value) == text else SpelledFloat(value, text)


KINDS: Mapping[str, Callable[[str], Any]] = {"null": _null, "bool": _bool, "int": _int, "float": _float}

# In this order: what is a whole number is not read as any other number.
RESOLVERS = [
    (kind, re.compile(rf"(?:{pattern})\Z"), list(first))
    for kind, pattern, first in (
        ("bool", _BOOL.pattern, "tTfF"),
        ("int", _INT.pattern, "-+0123456789"),
        ("float", f"{_FLOAT.pattern}|{_SPECIAL_FLOAT.pattern}", "-+.0123456789"),
        ("null", _NULL.pattern, ("~", "n", "N", "")),
    )
]
