"""The parts of a contact sheet that is too large for one file, in a folder beside it.

| file | content |
|---|---|
| ``list-*.html`` | of a chunk of the release, what the page needs to list, order, filter, and search them |
| ``cards-*.html`` | of some hundred requests, all other facts, which the page reads when a reader opens one of them |
| ``thumbnails/`` | the thumbnails |

All files are named after their content. So a changed request changes two files, and a page that was read before a
release was written again still finds its own.

A page on a disk may not fetch files, and text of others must not be in a script. Therefore, each part is a page that
has its content as JSON, and sends it as text to the page that opens it in a frame.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from imagemake.core.files import write_whole
from imagemake.images.formats import FORMATS
from imagemake.release.manifest.chunks.chunk import Chunk
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.report.cards import card_of
from imagemake.release.report.one_file import embedded_bytes, format_of_thumbnail, own_text, template

IN_CARDS, MOST_IN_CARDS = 512, 2_048  # how many requests a file of cards has on average, and at most
_DATA = "<data>"  # the place of the data in a part: no text of others, since their "<" is escaped
# What lists have of each card. The rest is only in the cards.
LISTED = (
    *("name", "verdict", "reasons", "codes", "prompt", "model", "seed", "attempt", "attempts", "catalog_row", "take"),
    *("variables", "seconds", "spent_usd", "called", "family", "href", "thumbnail"),
)


class Parts:
    """Writes the parts of one page; a file that is there already stays as it is.

    Args:
        folder: The folder of the parts, beside the page.
        pieces: Keeps which files a chunk has.
    """

    def __init__(self, folder: Path, pieces: Pieces) -> None:
        self._folder, self._pieces = folder, pieces
        self._written: set[str] = set()
        page = template("imagemake.release", "report", "part.html.j2", {})
        self._begin, self._end = page.render(data=_DATA, script=own_text("part.js")).encode().split(_DATA.encode())

    def thumbnail(self, name: str, image: bytes) -> str:
        """Write a thumbnail, and return its address.

        Args:
            name: Name in messages.
            image: The bytes of the thumbnail.

        Raises:
            ValueError: If it is not an image.
        """
        suffix = FORMATS[format_of_thumbnail(name, image)].suffix
        digest = hashlib.sha256(image).hexdigest()[:32]
        return self._write(f"thumbnails/{digest[:2]}/{digest}{suffix}", image)

    def list_of(self, chunk: Chunk, shown: Mapping[str, str], families: Mapping[str, Sequence[Any]]) -> str:
        """Write the list and the cards of a chunk, unless they are there, and return the address of the list.

        Args:
            chunk: The requests.
            shown: Addresses of thumbnails by name.
            families: Families by name, from `imagemake.release.report.facts.families`.
        """
        made_of = [chunk.digest, shown, families, self._end.decode(), self._begin.decode()]

        def make() -> list[str]:
            cut = [self._cards(rows, shown, families) for rows in _cut(chunk.rows())]
            return [self._part("list", cut), *(one["cards"] for one in cut)]

        found: list[str] = self._pieces.table("cards", made_of, make)
        if not all(self.is_there(address) for address in found):
            found = make()
            self._pieces.put("cards", made_of, found)
        return found[0]

    def is_there(self, address: str) -> bool:
        """Return whether a file of a part is there, and keep it if it is."""
        path = f"{self._folder}/{address.partition('/')[2]}"  # no Path for each of many thumbnails
        if not os.path.exists(path):  # noqa: PTH110
            return False
        self._written.add(path)
        return True

    def remove_others(self) -> None:
        """Delete what earlier pages had, after the page that uses these parts is written."""
        for folder, _, names in os.walk(self._folder, topdown=False):
            for name in names:
                if (path := f"{folder}/{name}") not in self._written:
                    Path(path).unlink(missing_ok=True)
            if not os.listdir(folder):  # noqa: PTH208  the folders in it were removed meanwhile
                Path(folder).rmdir()

    def _cards(
        self, entries: Sequence[ManifestRow], shown: Mapping[str, str], families: Mapping[str, Sequence[Any]]
    ) -> dict[str, Any]:
        cards = [card_of(entry, shown, families.get(entry.name)) for entry in entries]
        listed = [{field: card.pop(field) for field in LISTED if field in card} for card in cards]
        return {"cards": self._part("cards", cards), "entries": listed}

    def _part(self, kind: str, content: Any) -> str:
        data = self._begin + embedded_bytes(content) + self._end
        return self._write(f"{kind}-{hashlib.sha256(data).hexdigest()[:16]}.html", data)

    def _write(self, name: str, data: bytes) -> str:
        path = self._folder / name
        if not path.exists():
            write_whole(path, data)
        self._written.add(f"{self._folder}/{name}")
        return f"{self._folder.name}/{name}"


def _cut(rows: Sequence[ManifestRow]) -> Iterator[Sequence[ManifestRow]]:
    """Cut a chunk where the names say so: a request that is added moves only the cuts around it."""
    start = 0
    for end in range(1, len(rows) + 1):
        is_last = end == len(rows) or end - start == MOST_IN_CARDS
        if is_last or crc32(rows[end].name.encode("utf-8", "surrogatepass")) % IN_CARDS == 0:
            yield rows[start:end]
            start = end
