"""Codes for files, and beside each of them the words for people."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class WordedEnum(StrEnum):
    """A code that equals its spelling in files.

    Attributes:
        words: What people read.
    """

    words: str

    def __new__(cls, code: str, words: str = "") -> Self:
        """Make a member; a lookup by code passes no words."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.words = words
        return member
