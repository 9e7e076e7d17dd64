"""Adds digests to the names of published images, and updates tables that refer to them.

An image whose name contains its digest is never replaced, so the images of a manifest stay available, even while the
next release is published.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from urllib.parse import quote

_TEXT = (".csv", ".html", ".json", ".jsonl")
# Image names contain no blanks, quotes, or backslashes, so a quoted name is found in CSV, JSON, and HTML alike.
_QUOTED = re.compile(rb'(?<=")[^"\\\s]{1,600}(?=")')
_BLOCK_BYTES = 1_000_000


class PublishedNames:
    """Replaces the names of images in tables by their published names.

    Args:
        published: Published names, by name in the release's folder; if empty, tables don't change.
    """

    def __init__(self, published: Mapping[str, str]) -> None:
        self._published = published
        self._in_text = _in_text(published.items())
        self._beside: dict[str, dict[bytes, bytes]] = {}
        for name, new in published.items():
            folder, _, own = name.rpartition("/")
            self._beside.setdefault(folder, {}).update(_in_text([(own, new.rpartition("/")[2])]))

    def of(self, name: str) -> str:
        """Return the published name of an image."""
        return self._published.get(name, name)

    def table(self, name: str, data: bytes) -> bytes:
        """Replace each value of a table that equals the name of an image by its published name.

        In a table in the folder of the images, such as the JSON file of a sheet, names may omit the folder.

        Args:
            name: Name of the table, which determines its format.
            data: Content of the table.
        """
        suffix = PurePosixPath(name).suffix.lower()
        if not self._published or suffix not in (*_TEXT, ".parquet"):
            return data
        if suffix == ".parquet":
            return _parquet(data, self._published)
        beside = self._beside.get(name.rpartition("/")[0], {})

        def renamed(found: re.Match[bytes]) -> bytes:
            return self._in_text.get(found[0]) or beside.get(found[0], found[0])

        return b"".join(_QUOTED.sub(renamed, some) for some in _blocks(data))


def _blocks(data: bytes) -> Iterator[bytes]:
    """Cut at ends of lines, because replacing in a whole table takes 25 times its size in memory."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _BLOCK_BYTES) + 1 or len(data)
        yield data[start:end]
        start = end


def _in_text(names: Iterable[tuple[str, str]]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, new in names:
        found[name.encode()] = new.encode()
        found[quote(name).encode()] = quote(new).encode()  # in links
    return found


def _parquet(data: bytes, published: Mapping[str, str]) -> bytes:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    names, new_names = pa.array(list(published), pa.string()), pa.array(list(published.values()), pa.string())
    for place, column in enumerate(table.schema):
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        if is_text:
            found = pc.index_in(table[column.name], value_set=names.cast(column.type))
            if found.null_count < len(found):
                values = pc.coalesce(pc.take(new_names.cast(column.type), found), table[column.name])
                table = table.set_column(place, column, values)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
