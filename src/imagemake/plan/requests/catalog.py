"""Catalogs: what the user wants images of, one row per subject."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import overload

from imagemake.core.given_file import read_given
from imagemake.core.host_errors import reason_of
from imagemake.core.problems import UserError
from imagemake.plan.requests.catalog_csv import CsvReader
from imagemake.plan.requests.catalog_json import JsonLinesReader, JsonReader
from imagemake.plan.requests.catalog_reader import Reader
from imagemake.plan.requests.catalog_row import Records, Row

READERS: Mapping[str, type[Reader]] = {".csv": CsvReader, ".json": JsonReader, ".jsonl": JsonLinesReader}


class Catalog(Sequence[Row]):
    """The rows of a catalog, read once somebody asks for one of them.

    All of them have the same columns. Whatever reads rows raises `UserError` if the catalog has mistakes, with each of
    them and its row or line.

    Args:
        path: To name in problems. It ends in .csv, .json, or .jsonl.
        data: The file's content in UTF-8, with or without a byte order mark. Cells of CSV are separated by commas,
            semicolons, or tabs.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self.path, self.data = path, data

    @classmethod
    def open(cls, path: str | Path) -> Catalog:
        """Read the file, but no row.

        Raises:
            UserError: If it cannot be read, or is not a catalog.
        """
        about = Reader(str(path), b"")
        if Path(path).suffix.lower() not in READERS:
            about.report(None, "this file is not a catalog.", f"Use a file that ends in {' or '.join(READERS)}.")
            raise UserError(about.problems)
        try:
            return cls(str(path), read_given(Path(path)))
        except FileNotFoundError as error:
            about.report(None, f"the catalog cannot be read: {error.strerror}.", "Correct the path under catalog.")
        except OSError as error:
            what, remedy = reason_of(error)
            about.report(None, f"the catalog cannot be read: {what}.", remedy)
        raise UserError(about.problems)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def records(self) -> Records:
        """What tells which rows changed."""
        found = self._reader().records()
        if found is None:
            _ = self._rows  # tells the mistakes
            raise AssertionError(self.path)
        return found

    def only(self, numbers: Container[int]) -> list[Row]:
        """Read the rows with these numbers, without those that are beside them."""
        reader = self._reader()
        rows = reader.rows(numbers)
        return self._rows if reader.problems else rows  # tells all mistakes

    def in_groups(self, n_rows: int) -> Iterator[list[Row]]:
        """Yield all rows, some at a time, without keeping them."""
        reader = self._reader()
        rows = reader.each()
        while group := [*islice(rows, n_rows)]:
            yield group
        if reader.problems:
            _ = self._rows  # tells all mistakes

    def _reader(self) -> Reader:
        return READERS[Path(self.path).suffix.lower()](self.path, self.data)

    @cached_property
    def _rows(self) -> list[Row]:
        reader = self._reader()
        rows = reader.rows()
        if not rows and not reader.problems:
            reader.report(None, "the catalog has no rows.", "Write one row per subject.")
        if reader.problems:
            raise UserError(reader.problems)
        return rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        return self._rows[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Catalog) and (self.path, self.data) == (other.path, other.data)

    def __hash__(self) -> int:
        return hash(self.data)


def read_catalog(path: str | Path) -> list[Row]:
    """Read all rows of a catalog.

    Raises:
        UserError: If it has mistakes; it lists each of them with its row or line.
    """
    return [*Catalog.open(path)]
