"""Chooses the thumbnails that the contact sheet shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imagemake.release.manifest.chunks.chunk import Chunk
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.report.facts import PageFacts
from imagemake.release.report.thumbnails import Thumbnails

_ROWS, _PASTS = "rows", "pasts"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where thumbnails come from, and where the page finds them.

    Attributes:
        thumbnails: The thumbnails. Only the chosen ones are looked up.
        address_of: Puts a thumbnail where the page finds it, and returns its address.
        is_there: Returns whether it is still there, by its address.
    """

    thumbnails: Thumbnails
    address_of: Callable[[str, bytes], str]
    is_there: Callable[[str], bool]


class Shown:
    """The addresses of the thumbnails that the page shows.

    Args:
        chunks: All requests, in the order of the page.
        facts: What the page needs to know of each chunk.
        most: Most thumbnails to show. Images that were not accepted come first.
        sources: Where thumbnails come from.
        pieces: Keeps what was chosen.

    Attributes:
        of_chunk: For each chunk, by name; those of earlier attempts are under ``name@place``.
        references: Those of reference images and masks, by digest.

    Raises:
        ValueError: If a thumbnail is not an image.
    """

    def __init__(
        self, chunks: Sequence[Chunk], facts: Sequence[PageFacts], most: int, sources: Sources, pieces: Pieces
    ) -> None:
        self._chunks, self._facts, self._left, self._sources, self._pieces = chunks, facts, most, sources, pieces
        self.of_chunk: list[dict[str, str]] = [{} for _ in chunks]
        self.references: dict[str, str] = {}
        users = Counter[str]()
        for one in facts:
            users.update(one.users)
        # A reference image that several requests share comes first; one that a single request uses follows the images.
        self._choose_references(digest for digest, n in users.items() if n > 1)
        self._choose(_ROWS)
        self._choose_references(digest for digest, n in users.items() if n == 1)
        self._choose(_PASTS)

    def _choose_references(self, digests: Iterable[str]) -> None:
        for digest in digests:
            if self._left > 0 and (image := self._sources.thumbnails.of_reference(digest)) is not None:
                self.references[digest] = self._sources.address_of(digest, image)
                self._left -= 1

    def _choose(self, what: str) -> None:
        for accepted in (False, True):
            for place, chunk in enumerate(self._chunks):
                n = min(self._left, self._facts[place].n(accepted=accepted, pasts=what == _PASTS))
                if n > 0:
                    found = self._in_chunk(chunk, what, accepted, n)
                    self.of_chunk[place] |= found
                    self._left -= len(found)

    def _in_chunk(self, chunk: Chunk, what: str, accepted: bool, n: int) -> Mapping[str, str]:
        made_of = [chunk.digest, what, accepted, n]

        def choose() -> dict[str, str]:
            return dict(self._first(chunk.rows(), what, accepted, n))

        found: dict[str, str] = self._pieces.table("thumbnails", made_of, choose)
        if not all(map(self._sources.is_there, found.values())):
            found = choose()
            self._pieces.put("thumbnails", made_of, found)
        return found

    def _first(self, rows: Sequence[ManifestRow], what: str, accepted: bool, n: int) -> Iterator[tuple[str, str]]:
        """Yield the names and addresses of the first thumbnails that there are."""
        for row in rows:
            if (row.verdict == "accepted") is not accepted:
                continue
            for place in range(len(row.history)) if what == _PASTS else (None,):
                image = self._sources.thumbnails.of_row(row, place)
                if image is not None:
                    name = row.name if place is None else f"{row.name}@{place}"
                    yield name, self._sources.address_of(name, image)
                    n -= 1
                    if not n:
                        return
