"""Adds digests to the names of published images, and updates tables that refer to them.

An image whose name contains its digest is never replaced, so the images of a manifest stay available, even while the
next release is published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

_TEXT = (".csv", ".html", ".json", ".jsonl")
_BLOCK_BYTES = 1_000_000


class PublishedNames:
    """Replaces the names of images in tables by their published names.

    Args:
        published: Published names, by name in the release's folder; if empty, tables don't change.
    """

    def __init__(self, published: Mapping[str, str]) -> None:
        self._published = published
        suffixes = "|".join(sorted({re.escape(quote(name[name.rfind(".") :])) for name in published}))
        # Image names contain no blanks, quotes, or backslashes, so a quoted name is found in CSV, JSON, and HTML alike.
        self._quoted = re.compile(rb'(?<=")[^"\\\s]{1,600}(?:%b)(?=")' % suffixes.encode())

    def of(self, name: str) -> str:
        """Return the published name of an image."""
        return self._published.get(name, name)

    def table(self, name: str, file: BinaryIO) -> Iterator[bytes]:
        """Yield the content of a table, in which each value that equals the name of an image is its published name.

        In a table in the folder of the images, such as the JSON file of a sheet, names may omit the folder.

        Args:
            name: Name of the table, which determines its format.
            file: The table.
        """
        suffix = PurePosixPath(name).suffix.lower()
        if not self._published or suffix not in (*_TEXT, ".parquet"):
            yield from iter(partial(file.read, _BLOCK_BYTES), b"")
        elif suffix == ".parquet":
            yield from self._parquet(file)
        else:
            folder = name.rpartition("/")[0]
            yield from (self._quoted.sub(lambda found: self._in_text(found[0], folder), some) for some in _blocks(file))

    def _in_text(self, found: bytes, folder: str) -> bytes:
        text = found.decode(errors="replace")
        for name, spelled in ((text, str), (unquote(text), quote)):  # as it is, and in links
            if spelled(name) != text:
                continue
            new = self._published.get(name)
            if new is None and folder and (beside := self._published.get(f"{folder}/{name}")):
                new = beside.removeprefix(f"{folder}/")
            if new is not None:
                return spelled(new).encode()
        return found

    def _parquet(self, file: BinaryIO) -> Iterator[bytes]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with TemporaryFile() as new:
            with pq.ParquetFile(file) as whole, pq.ParquetWriter(new, whole.schema_arrow, compression="zstd") as writer:
                for group in range(whole.num_row_groups):
                    table = whole.read_row_group(group)
                    for place, column in enumerate(table.schema):
                        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                            table = table.set_column(place, column, self._renamed(table[place]))
                    writer.write_table(table)
            new.seek(0)
            yield from iter(partial(new.read, _BLOCK_BYTES), b"")

    def _renamed(self, column: Any) -> Any:
        import pyarrow as pa

        chunks = []
        for chunk in column.dictionary_encode().chunks:
            values = pa.array([self.of(value) for value in chunk.dictionary.to_pylist()], column.type)
            chunks.append(values.take(chunk.indices))
        return pa.chunked_array(chunks, column.type)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield parts that end at ends of lines, because replacing in a whole table takes 25 times its size in memory."""
    while data := file.read(_BLOCK_BYTES):
        yield data + file.readline()
