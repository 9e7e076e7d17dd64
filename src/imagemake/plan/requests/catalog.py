"""Catalogs: what the user wants images of, one row per subject."""

from __future__ import annotations

import hashlib
from array import array
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import overload

from imagemake import __version__
from imagemake.core.files import write_whole
from imagemake.core.given_file import read_given
from imagemake.core.host_errors import reason_of
from imagemake.core.problems import UserError
from imagemake.core.sealed import DamagedStateError, read_sealed, write_sealed
from imagemake.plan.requests.catalog_csv import CsvReader
from imagemake.plan.requests.catalog_json import JsonLinesReader, JsonReader
from imagemake.plan.requests.catalog_reader import Reader
from imagemake.plan.requests.catalog_row import Records, Row

ID_DIGITS = 16
READERS: Mapping[str, type[Reader]] = {".csv": CsvReader, ".json": JsonReader, ".jsonl": JsonLinesReader}


class Catalog(Sequence[Row]):
    """The rows of a catalog, read once somebody asks for one of them.

    All of them have the same columns. Whatever reads rows raises `UserError` if the catalog has mistakes, with each of
    them and its row or line.

    Args:
        path: To name in problems. It ends in .csv, .json, or .jsonl.
        data: The file's content in UTF-8, with or without a byte order mark. Cells of CSV are separated by commas,
            semicolons, or tabs.
        folder: Where `keep` may have kept it.
    """

    def __init__(self, path: str, data: bytes, folder: Path | None = None) -> None:
        self.path, self.data, self._folder = path, data, folder
        self._suffix, self._are_kept = Path(path).suffix.lower(), False

    @classmethod
    def open(cls, path: str | Path, folder: Path | None = None) -> Catalog:
        """Read the file, but no row.

        Args:
            path: Of the file.
            folder: Where `keep` may have kept it.

        Raises:
            UserError: If it cannot be read, or is not a catalog.
        """
        about = Reader(str(path), b"")
        if Path(path).suffix.lower() not in READERS:
            about.report(None, "this file is not a catalog.", f"Use a file that ends in {' or '.join(READERS)}.")
            raise UserError(about.problems)
        try:
            return cls(str(path), read_given(Path(path)), folder)
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
        if (kept := self._kept_records()) is not None:
            return kept
        found = self._reader().records()
        if found is None:
            _ = self._rows  # tells the mistakes
            raise AssertionError(self.path)
        return found

    def keep(self, folder: Path) -> None:
        """Write the file into a folder, and what `records` found: reading all rows again takes longer than most jobs.

        What is there already is touched, since what no plan has used for a day is deleted.
        """
        beside = _beside(folder, self.digest)
        if beside.exists():
            beside.touch()
        else:
            write_whole(beside, self.data)
        if self._are_kept and folder == self._folder:
            self._records_file(folder).touch()
        elif "records" in self.__dict__:
            content = {"numbers": self.records.numbers.tobytes(), "digests": self.records.digests}
            told = {name: b64encode(data).decode() for name, data in content.items()}
            about = {"about": self._about, "columns": self.records.columns}
            write_sealed(self._records_file(folder), {**about, **told})

    @classmethod
    def kept(cls, path: str, digest: str, folder: Path) -> Catalog:
        """Return a catalog that was kept in a folder.

        Raises:
            DamagedStateError: If it is missing or damaged.
        """
        beside = _beside(folder, digest)
        catalog = cls(path, beside.read_bytes() if beside.exists() else b"", folder)
        if catalog.digest != digest:
            raise DamagedStateError(f"{beside} is missing or damaged.")
        return catalog

    def _kept_records(self) -> Records | None:
        found = read_sealed(self._records_file(self._folder)) if self._folder else None
        if found is None or found.get("about") != self._about:
            return None
        self._are_kept = True
        return Records(tuple(found["columns"]), array("Q", b64decode(found["numbers"])), b64decode(found["digests"]))

    @property
    def _about(self) -> list[str]:
        return [__version__, self._suffix, self.digest]

    def _records_file(self, folder: Path) -> Path:
        return _beside(folder, self.digest).with_suffix(".rows")

    def only(self, numbers: Collection[int]) -> list[Row]:
        """Read the rows with these numbers of `records`, without those that are beside them."""
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
        return READERS[self._suffix](self.path, self.data)

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


def _beside(folder: Path, digest: str) -> Path:
    return folder / f"catalog-{digest[:ID_DIGITS]}"


def read_catalog(path: str | Path) -> list[Row]:
    """Read all rows of a catalog.

    Raises:
        UserError: If it has mistakes; it lists each of them with its row or line.
    """
    return [*Catalog.open(path)]
