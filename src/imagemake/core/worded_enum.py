"""Enums whose members have a code for files and words for people."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class WordedEnum(StrEnum):
    """An enum of codes that equal their spelling in files.

    Attributes:
        words: The text that people read.
    """

    words: str

    def __new__(cls, code: str, words: str = "") -> Self:
        """Make a member; a lookup by code passes no words."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.words = words
        return member
