"""The chunks of the last release, kept so that the next one makes only those that changed."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.sections import numbers, read_sections, write_sections
from imagemake.release.manifest.chunks.chunk import ID_DIGITS, Chunk, Cutter
from imagemake.release.manifest.chunks.order import order_of
from imagemake.release.manifest.row import MANIFEST_VERSION, ManifestRow

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 4  # chunks whose rows may stay in memory
_BYTES = 8  # of a name


def keep(chunks: Sequence[Chunk], folder: Path) -> str:
    """Write down which chunks there are, and return the digest by which `kept` finds them."""
    digest = hashlib.sha256(" ".join(one.digest for one in chunks).encode()).hexdigest()[:ID_DIGITS]
    head = {"version": MANIFEST_VERSION, "chunks": [[one.digest, one.n, one.first] for one in chunks]}
    sections = {name: b"".join(getattr(one, name) for one in chunks) for name in ("names", "numbers")}
    write_sections(folder / f"{digest}.bin", head, sections)
    return digest


def kept(digest: str, folder: Path) -> list[Chunk]:
    """Return the chunks that were kept.

    Raises:
        NotRememberedError: If what was written down is missing or damaged.
    """
    found = read_sections(folder / f"{digest}.bin")
    if found is None or found[0].get("version") != MANIFEST_VERSION:
        raise NotRememberedError(digest)
    (head, sections), chunks, start = found, list[Chunk](), 0
    for name, n, first in head["chunks"]:
        end = start + _BYTES * n
        chunks.append(Chunk(name, n, first, sections["names"][start:end], sections["numbers"][start:end], folder))
        start = end
    return chunks


def sweep(chunks: Iterable[Chunk], digest: str, folder: Path) -> None:
    """Delete the files of other chunks."""
    wanted = {f"{digest}.bin", *(f"{one.digest}.json" for one in chunks)}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()


@dataclass(slots=True)
class Before:
    """The chunks of the last release, and which of their rows still stand.

    Attributes:
        chunks: The chunks; at least one.
        stands: Of each chunk, which of its rows stand.
        renumbered: The numbers in the catalog of those that moved, by the numbers that they had.
    """

    chunks: Sequence[Chunk]
    stands: Sequence[NDArray[Any]]
    renumbered: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, chunks: Sequence[Chunk], settled: NDArray[Any], renumbered: Mapping[int, int]) -> Before:
        """Return the chunks with the rows that stand.

        Args:
            chunks: The chunks.
            settled: The names of the rows that stand, shortened as in `Chunk.names`.
            renumbered: The numbers of rows in the catalog that moved, by those that they had.
        """
        import numpy as np

        names, known = np.frombuffer(b"".join(chunk.names for chunk in chunks), np.uint64), np.sort(settled)
        at = np.searchsorted(known, names)  # np.isin sorts twice, and imports masked arrays
        stands = (np.append(known, np.uint64(0))[at] == names) & (at < len(known))
        return cls(chunks, np.split(stands, np.cumsum([chunk.n for chunk in chunks])[:-1]), renumbered)

    @property
    def n_kept(self) -> int:
        """Number of the rows that stand."""
        return sum(int(stands.sum()) for stands in self.stands)

    def dropped(self) -> Iterator[ManifestRow]:
        """Yield the rows that do not stand."""
        for chunk, stands in zip(self.chunks, self.stands, strict=True):
            if not stands.all():
                yield from compress(chunk.rows(), ~stands)

    def standing(self) -> Iterator[ManifestRow]:
        """Yield the rows that stand."""
        for chunk, stands in zip(self.chunks, self.stands, strict=True):
            yield from compress(chunk.rows(), stands)
            chunk.forget()

    def with_rows(self, new: Sequence[ManifestRow]) -> Iterator[Chunk]:
        """Yield the chunks of the rows that stand and of new ones. Those that stay as they are are not read.

        Args:
            new: The new rows, in order.

        Raises:
            NotRememberedError: If a chunk must be read, and its rows are missing or damaged.
        """
        firsts = [order_of(chunk.first) for chunk in self.chunks]
        coming: dict[int, list[ManifestRow]] = {}
        for row in new:
            coming.setdefault(max(0, bisect_right(firsts, order_of(row.name)) - 1), []).append(row)
        changed = {place for place, stands in enumerate(self.stands) if not stands.all()}
        # Without its first row, a chunk may belong to the one before.
        changed |= {place - 1 for place in changed if not self.stands[place][0]}
        changed |= {place for place, chunk in enumerate(self.chunks) if self._has_moved(chunk)}
        are_few = len(changed | coming.keys()) <= FEW
        cutter = Cutter(self.chunks[0].folder, stays=are_few)
        for place, chunk in enumerate(self.chunks):
            is_same = place not in changed and place not in coming
            if is_same and cutter.ends_before(chunk.first):
                yield from cutter.end()
            if is_same and not cutter.rows:
                yield chunk
                continue
            for row in self._merged(chunk, self.stands[place], coming.get(place, ())):
                yield from cutter.add(row)
            chunk.forget()
        yield from cutter.end()

    def _has_moved(self, chunk: Chunk) -> bool:
        return bool(self.renumbered) and any(number in self.renumbered for number in numbers(chunk.numbers))

    def _merged(self, chunk: Chunk, stands: NDArray[Any], new: Sequence[ManifestRow]) -> list[ManifestRow]:
        standing = [*compress(chunk.rows(), stands)]
        if self._has_moved(chunk):
            at = self.renumbered
            standing = [replace(row, catalog_row=at.get(row.catalog_row, row.catalog_row)) for row in standing]
        return sorted([*standing, *new], key=lambda row: order_of(row.name)) if new else standing
