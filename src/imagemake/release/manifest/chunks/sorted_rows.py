"""Rows that come in any order, sorted on disk: those of a large release have no room in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from tempfile import TemporaryFile

from imagemake.release.manifest.chunks.chunk import plain_of, row_of
from imagemake.release.manifest.chunks.order import order_of
from imagemake.release.manifest.row import ManifestRow

MOST_IN_MEMORY = 4_096  # rows
_PLACE = Struct(">QI")  # where a row begins, and its length


class SortedRows:
    """Takes rows, and yields them in the order of a release.

    Only what they are sorted by and their places stay in memory, if there are many.
    """

    def __init__(self) -> None:
        self._rows: list[ManifestRow] = []
        self._places: list[bytes] = []  # after what rows are sorted by: two objects would take twice the memory
        self._file = TemporaryFile()  # noqa: SIM115  it is there as long as this object
        self._end = 0

    def add_all(self, rows: Iterable[ManifestRow]) -> None:
        """Add rows."""
        for row in rows:
            self._rows.append(row)
            if len(self._rows) >= MOST_IN_MEMORY:
                self._write()

    def drop(self, names: Iterable[str]) -> None:
        """Drop the rows of requests, as far as there are any."""
        gone = set(names)
        self._rows = [row for row in self._rows if row.name not in gone]
        places = {order_of(name) for name in gone}
        self._places = [place for place in self._places if place[: -_PLACE.size] not in places]

    def __iter__(self) -> Iterator[ManifestRow]:
        """Yield the rows in order."""
        if not self._places:
            yield from sorted(self._rows, key=lambda row: order_of(row.name))
            return
        self._write()
        self._places.sort()  # a place begins with a zero: before what a longer name has there
        for place in self._places:
            start, length = _PLACE.unpack_from(place, len(place) - _PLACE.size)
            self._file.seek(start)
            yield row_of(self._file.read(length))

    def _write(self) -> None:
        for row in self._rows:
            content = plain_of(row)
            self._places.append(order_of(row.name) + _PLACE.pack(self._end, len(content)))
            self._file.write(content)
            self._end += len(content)
        self._rows = []
