"""Names that hold digests, and tables that lead to them.

A picture whose name says its content is never replaced, so a reader who has one manifest finds all of its pictures,
also while the next release is on its way.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote

DIGITS = 12  # of the SHA-256; two pictures of one name would have to agree in all of them
_TEXT = (".csv", ".html", ".json", ".jsonl")
# Names of pictures hold no blank, quote or backslash, so that one between quotes is found in CSV, JSON and HTML alike.
_QUOTED = re.compile(rb'(?<=")[^"\\\s]{1,600}(?=")')


def digest_name(name: str, digest: str) -> str:
    """Return a picture's name with digits of its digest: ``images/a.jpg`` becomes ``images/a.3fa9c1d2e4b5.jpg``."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}.{digest[:DIGITS]}{path.suffix}"))


def with_published_names(table: str, data: bytes, published: Mapping[str, str]) -> bytes:
    """Let a table lead to pictures where they are published.

    Args:
        table: Its name, which tells its format.
        data: Its content.
        published: Names as published, by name in the release's folder; with none, nothing changes.

    Returns:
        Its content, in which every text that is just the name of a picture is its published name.
    """
    suffix = PurePosixPath(table).suffix.lower()
    if not published:
        return data
    if suffix == ".parquet":
        return _parquet(data, published)
    return _text(data, published) if suffix in _TEXT else data


def _text(data: bytes, published: Mapping[str, str]) -> bytes:
    by_bytes = {name.encode(): new.encode() for name, new in published.items()}
    by_bytes |= {quote(name).encode(): quote(new).encode() for name, new in published.items()}  # links

    def replaced(found: re.Match[bytes]) -> bytes:
        return by_bytes.get(found[0], found[0])

    return _QUOTED.sub(replaced, data)


def _parquet(data: bytes, published: Mapping[str, str]) -> bytes:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    names = pa.array(list(published), pa.string())
    for place, column in enumerate(table.schema):
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        if is_text and pc.any(pc.is_in(table[column.name], value_set=names.cast(column.type))).as_py():
            values = [published.get(value, value) for value in table[column.name].to_pylist()]
            table = table.set_column(place, column, pa.array(values, column.type))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
