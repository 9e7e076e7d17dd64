"""Writes the Parquet file of the manifest from what is kept of each chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from imagemake.core.files import writing
from imagemake.release.manifest.chunks.chunk import Chunk
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.columns import Column, Kind
from imagemake.release.manifest.row import MANIFEST_VERSION
from imagemake.release.manifest.values import table_of
from imagemake.stages.validate.earlier_releases import MEASURES_FIELD

GROUP_ROWS = 8_192  # at least, of a row group
VERSION_KEY = "imagemake.manifest_schema"  # in the metadata of the file


def write_parquet(
    path: Path, chunks: Sequence[Chunk], columns: Mapping[str, Column], pieces: Pieces, measures: Sequence[str]
) -> None:
    """Write the file; see `imagemake.release.manifest.tables.write_tables`."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    read_by = {MEASURES_FIELD: orjson.dumps(list(measures)).decode()} if measures else {}
    fields = [pa.field(name, _arrow_type(column.kind), metadata=_metadata(column)) for name, column in columns.items()]
    schema = pa.schema(fields, metadata={VERSION_KEY: MANIFEST_VERSION, **read_by, "pandas": _for_pandas(columns)})
    with writing(path) as file, ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(chunks):
            contents = [arrow_piece(one, columns, pieces) for one in group]
            table = pa.concat_tables([pa.ipc.open_stream(content).read_all() for content in contents])
            for one in group:
                one.forget()
            writer.write_table(table.cast(schema))
        if not chunks:
            writer.write_table(schema.empty_table())


def arrow_piece(chunk: Chunk, columns: Mapping[str, Column], pieces: Pieces) -> bytes:
    """Return the rows of a chunk as a stream of Arrow, made only if it is not kept."""
    told = [(name, column.kind) for name, column in columns.items()]
    return pieces.get("arrow", [chunk.digest, told], partial(_arrow_of, chunk, columns))


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
