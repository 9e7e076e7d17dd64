"""The rows of a catalog, and what tells which of them changed."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One subject.

    Attributes:
        number: As a user counts it in the file, from 1: the row in CSV, the line in JSON Lines, the element in JSON.
        values: Values by column, without surrounding blanks. Line ends are line feeds; an empty cell is an empty text.
    """

    number: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Records:
    """What tells which rows changed, without a `Row` for each.

    Attributes:
        columns: The names of the columns.
        numbers: The number of each row.
        digests: The digests of what is written in each row, `DIGEST_BYTES` each, one after the other.
    """

    columns: tuple[str, ...]
    numbers: array[int]
    digests: bytes

    @property
    def digest(self) -> str:
        """A digest of all rows and their numbers."""
        return blake2b(repr(self.columns).encode() + self.numbers.tobytes() + self.digests).hexdigest()
