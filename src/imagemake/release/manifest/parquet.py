"""Writes the Parquet file of the manifest from what is kept of each chunk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from imagemake.core.files import writing
from imagemake.release.manifest.chunks.chunk import Chunk
from imagemake.release.manifest.chunks.pieces import Content, Pieces
from imagemake.release.manifest.columns import Column, Kind
from imagemake.release.manifest.row import MANIFEST_VERSION
from imagemake.release.manifest.values import table_of
from imagemake.stages.validate.earlier_releases import MEASURES_FIELD

GROUP_ROWS = 8_192  # at least, of a row group
BOUNDARY = 1 << 16  # bytes
MAGIC = b"PAR1"  # a Parquet file begins and ends with it
_DROPPED_AT_ONCE = 1 << 20
VERSION_KEY = "imagemake.manifest_schema"  # in the metadata of the file


def write_parquet(
    path: Path, chunks: Sequence[Chunk], columns: Mapping[str, Column], pieces: Pieces, measures: Sequence[str]
) -> None:
    """Write the file; see `imagemake.release.manifest.tables.write_tables`.

    Each row group is kept as it is in the file, offsets in its metadata included. All but the first begin at a multiple
    of some bytes, so that the groups after a changed one stay where they are.
    """
    import pyarrow as pa

    read_by = {MEASURES_FIELD: orjson.dumps(list(measures)).decode()} if measures else {}
    fields = [pa.field(name, _arrow_type(column.kind), metadata=_metadata(column)) for name, column in columns.items()]
    schema = pa.schema(fields, metadata={VERSION_KEY: MANIFEST_VERSION, **read_by, "pandas": _for_pandas(columns)})
    about = [hashlib.sha256(schema.serialize()).hexdigest(), pa.__version__]
    with writing(path) as file:
        file.write(MAGIC)
        metadata: Any = None
        place = len(MAGIC)
        for group in list(_groups(chunks)) or [[]]:
            start = -(-place // BOUNDARY) * BOUNDARY if metadata else place
            made_of = [[one.digest for one in group], about, start]
            content = pieces.get("row_group", made_of, partial(_row_group, group, columns, pieces, schema, start))
            for one in group:
                pieces.keep("arrow", _made_of(one, columns))
            body, own = _divided(content)
            file.write(bytes(start - place))
            file.write(body)
            place = start + len(body)
            if metadata is None:
                metadata = own
            else:
                metadata.append_row_groups(own)
        footer = pa.BufferOutputStream()
        metadata.write_metadata_file(footer)
        file.write(memoryview(footer.getvalue())[len(MAGIC) :])


class _After:
    """A file without its first bytes, so that a row group gets the offsets that it has in the whole file."""

    closed = False

    def __init__(self) -> None:
        self.kept = bytearray()

    def drop(self, sink: Any, n_bytes: int) -> None:
        for start in range(0, n_bytes, _DROPPED_AT_ONCE):
            sink.write(bytes(min(_DROPPED_AT_ONCE, n_bytes - start)))
            self.kept.clear()
        self.kept.clear()

    def write(self, data: bytes) -> None:
        self.kept += data

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _row_group(group: Sequence[Chunk], columns: Mapping[str, Column], pieces: Pieces, schema: Any, start: int) -> bytes:
    """Return a row group, and after it the metadata of a file that has it at this place, and no other one."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    tables = [pa.ipc.open_stream(pa.py_buffer(arrow_piece(one, columns, pieces))).read_all() for one in group]
    for one in group:
        one.forget()
    after = _After()
    sink = pa.PythonFile(after, mode="w")
    with ParquetWriter(sink, schema, compression="zstd") as writer:  # it has written `MAGIC`
        after.drop(sink, start - len(MAGIC))
        # Only metadata is added to the schema: `cast` would import all functions of pyarrow, which takes 0.04 s.
        columns_of_all = pa.concat_tables(tables).columns if tables else schema.empty_table().columns
        writer.write_table(pa.Table.from_arrays(columns_of_all, schema=schema))
    return bytes(after.kept)


def _divided(content: Content) -> tuple[Content, Any]:
    """Return the row group, and its metadata, of what `_row_group` returned."""
    import pyarrow as pa
    from pyarrow.parquet import read_metadata

    n_bytes = int.from_bytes(content[-8:-4], "little")
    return content[: -8 - n_bytes], read_metadata(pa.BufferReader(pa.py_buffer(content)))


def arrow_piece(chunk: Chunk, columns: Mapping[str, Column], pieces: Pieces) -> Content:
    """Return the rows of a chunk as a stream of Arrow, made only if it is not kept."""
    return pieces.get("arrow", _made_of(chunk, columns), partial(_arrow_of, chunk, columns))


def _made_of(chunk: Chunk, columns: Mapping[str, Column]) -> list[Any]:
    return [chunk.digest, [(name, column.kind) for name, column in columns.items()]]


def _groups(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Yield the chunks of each row group. With one for each chunk, writing takes twice as long."""
    group: list[Chunk] = []
    for chunk in chunks:
        group.append(chunk)
        if sum(one.n for one in group) >= GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


def _arrow_of(chunk: Chunk, columns: Mapping[str, Column]) -> bytes:
    import pyarrow as pa

    table = table_of(chunk.rows(), columns)
    arrays = {
        name: pa.array(_in_parquet(column.kind, values), _arrow_type(column.kind), from_pandas=True)
        for name, (column, values) in table.items()
    }
    batch = pa.record_batch(list(arrays.values()), names=list(arrays))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _arrow_type(kind: Kind) -> Any:
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "json": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    return types[kind]


def _in_parquet(kind: Kind, values: Sequence[Any]) -> Sequence[Any]:
    if kind == "time":
        return [value and datetime.fromisoformat(value) for value in values]
    if kind == "number":
        return [None if value is None else float(value) for value in values]
    return values


def _for_pandas(columns: Mapping[str, Column]) -> bytes:
    """Return what pandas reads beside the types: without it, a missing whole number makes its column one of floats."""
    told = [
        {
            "name": name,
            "field_name": name,
            "pandas_type": _PANDAS_TYPES[column.kind][0],
            "numpy_type": _PANDAS_TYPES[column.kind][1],
            "metadata": {"timezone": "UTC"} if column.kind == "time" else None,
        }
        for name, column in columns.items()
    ]
    return orjson.dumps({"index_columns": [], "column_indexes": [], "columns": told, "attributes": {}})


_PANDAS_TYPES: Mapping[Kind, tuple[str, str]] = {
    "text": ("unicode", "str"),
    "texts": ("list[unicode]", "object"),
    "json": ("unicode", "str"),
    "whole": ("int64", "Int64"),
    "number": ("float64", "float64"),
    "flag": ("bool", "boolean"),
    "time": ("datetimetz", "datetime64[us]"),
}


def _metadata(column: Column) -> dict[str, str]:
    return {"description": column.meaning, **({"unit": column.unit} if column.unit else {})}
