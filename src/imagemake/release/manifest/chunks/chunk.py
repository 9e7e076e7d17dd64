"""A chunk: about a thousand rows of a release, in its order, cut where the names say so and named by its content.

So a row that changes changes its chunk, and a row that is added or removed moves only the cuts around it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from imagemake.core.files import write_whole
from imagemake.plan.requests.names import folded
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.sections import Section, section_of, short
from imagemake.release.manifest.row import MANIFEST_VERSION, OF_OUTPUT, ManifestRow, OutputFile

MEAN, MOST = 1_024, 4_096  # rows
ID_DIGITS = 32
_FIELDS = [one.name for one in fields(ManifestRow) if one.init and one.name != "outputs"]
_VALUES = attrgetter(*_FIELDS)
_FILE = attrgetter(*OF_OUTPUT)
_WORDS = [_FIELDS.index(name) for name in ("verdict", "provider", "model", "model_label", "seed_use", "generated_at")]
_MAPPINGS = [_FIELDS.index(name) for name in ("parameters", "model_files")]
_TUPLES = [_FIELDS.index(name) for name in ("reasons", "references", "reference_digests", "history", "by_people")]


@dataclass(slots=True)
class Chunk:
    """A chunk.

    Attributes:
        digest: Identifies its rows.
        n: Number of its rows.
        first: Name of the first one.
        names: Eight bytes for the name of each, as `imagemake.plan.settled.sections.short` shortens it.
        numbers: Eight bytes for the number of each one's row of the catalog.
        folder: Where its rows are on disk; None if they are in memory.
        known: Its rows, if they were read.
        stays: Whether they stay in memory, since few chunks are read.
    """

    digest: str
    n: int
    first: str
    names: Section
    numbers: Section
    folder: Path | None = None
    known: Sequence[ManifestRow] | None = None
    stays: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, rows: Sequence[ManifestRow], folder: Path | None = None, *, stays: bool = False) -> Chunk:
        """Return the chunk of rows, which are written into a folder if there is one."""
        content = orjson.dumps([MANIFEST_VERSION, *map(_plain, rows)])
        digest = hashlib.sha256(content).hexdigest()[:ID_DIGITS]
        if folder is not None and not (folder / f"{digest}.json").exists():
            write_whole(folder / f"{digest}.json", content)
        names = section_of(short(folded(row.name)) for row in rows)
        places = section_of(row.catalog_row for row in rows)
        return cls(digest, len(rows), rows[0].name, names, places, folder, rows, stays)

    def rows(self) -> Sequence[ManifestRow]:
        """Return the rows.

        Raises:
            NotRememberedError: If their file is missing or damaged.
        """
        if self.known is None:
            assert self.folder is not None
            self.known = list(_read(self.folder / f"{self.digest}.json", self.digest))
        return self.known

    @property
    def is_read(self) -> bool:
        """Whether its rows are in memory."""
        return self.known is not None

    @property
    def can_be_read_again(self) -> bool:
        """Whether its rows are on disk."""
        return self.folder is not None

    def forget(self) -> None:
        """Forget the rows, if they can be read again."""
        if self.can_be_read_again and not self.stays:
            self.known = None


def begins_chunk(name: str) -> bool:
    """Return whether a request of this name always begins a chunk."""
    return crc32(name.encode("utf-8", "surrogatepass")) % MEAN == 0


def cut(rows: Iterable[ManifestRow], folder: Path | None = None) -> Iterator[Chunk]:
    """Cut rows into chunks.

    Args:
        rows: Rows in the order of a release.
        folder: Where to write them; None keeps them in memory.
    """
    cutter = Cutter(folder)
    for row in rows:
        yield from cutter.add(row)
    yield from cutter.end()


class Cutter:
    """Cuts rows that come one after the other.

    Args:
        folder: Where to write the rows of chunks; None keeps them in memory.
        stays: Whether they also stay in memory.
    """

    def __init__(self, folder: Path | None, *, stays: bool = False) -> None:
        self._folder, self._stays = folder, stays
        self.rows: list[ManifestRow] = []

    def add(self, row: ManifestRow) -> Iterator[Chunk]:
        """Add a row; yields the chunk before it if one ends there."""
        if self.ends_before(row.name):
            yield from self.end()
        self.rows.append(row)

    def ends_before(self, name: str) -> bool:
        """Return whether a chunk ends before a request of this name."""
        return len(self.rows) == MOST or (bool(self.rows) and begins_chunk(name))

    def end(self) -> Iterator[Chunk]:
        """Yield the chunk of the rows so far, if there are any."""
        if self.rows:
            rows, self.rows = self.rows, []
            yield Chunk.of(rows, self._folder, stays=self._stays)


def _plain(row: ManifestRow) -> list[Any]:
    return [*_VALUES(row), {label: _FILE(file) for label, file in row.outputs.items()}]


def _row(values: list[Any]) -> ManifestRow:
    outputs = values.pop()
    files = {label: OutputFile(**dict(zip(OF_OUTPUT, file, strict=True))) for label, file in outputs.items()}
    return ManifestRow(**dict(zip(_FIELDS, values, strict=True)), outputs=files)


def plain_of(row: ManifestRow) -> bytes:
    """Return a row as JSON, for `row_of`."""
    return orjson.dumps(_plain(row))


def row_of(content: bytes) -> ManifestRow:
    """Return the row of `plain_of`."""
    values = orjson.loads(content)
    for at in _TUPLES:
        values[at] = tuple(values[at])
    return _row(values)


def _read(path: Path, digest: str) -> Iterator[ManifestRow]:
    try:
        content = path.read_bytes()
    except OSError:
        raise NotRememberedError(path) from None
    if hashlib.sha256(content).hexdigest()[:ID_DIGITS] != digest:
        raise NotRememberedError(path)
    version, *rows = orjson.loads(content)
    if version != MANIFEST_VERSION:
        raise NotRememberedError(version)
    words: dict[str, str] = {}
    last: list[Any] = []
    for values in rows:
        for at in _TUPLES:
            values[at] = tuple(values[at])
        # What many rows have is one object: otherwise it would take much of the memory.
        for at in _WORDS:
            values[at] = words.setdefault(values[at], values[at])
        for at in _MAPPINGS if last else ():
            values[at] = last[at] if values[at] == last[at] else values[at]
        last = values[:]
        yield _row(values)
