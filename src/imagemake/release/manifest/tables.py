"""Writes the manifest as one table for people and one for programs, and reads it.

``manifest.csv`` opens in a spreadsheet: UTF-8 with a byte order mark, lists joined by ``; ``, and an apostrophe before
text that looks like a formula, which `read_manifest` removes. ``manifest.parquet`` has the same columns with types:
``pandas.read_parquet`` returns nullable whole numbers, times in UTC, and lists. Variables, parameters, measures, and
additional outputs have their own columns, such as ``variable.color``, ``measure.tone.contrast``, and
``output.web.file``. Earlier attempts are one column of JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import NoneType
from typing import Any

import orjson

from imagemake.config.fields import MAIN
from imagemake.core.files import write_whole, writing
from imagemake.core.spreadsheet import plain_cell, safe_cell
from imagemake.release.manifest.chunks.chunk import Chunk, cut
from imagemake.release.manifest.chunks.order import order_of
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.columns import Column, Kind, output_column, output_labels
from imagemake.release.manifest.row import COLUMNS, GROUPS, MANIFEST_VERSION, OF_OUTPUT, ManifestRow
from imagemake.release.manifest.schema import manifest_schema, of_output, schema_bytes
from imagemake.stages.validate.earlier_releases import MEASURES_FIELD

__all__ = ["files_in", "read_manifest"]

Table = Mapping[str, tuple[Column, Sequence[Any]]]  # by name: the column, and its value in each row

_LONGEST_CELL = 2**31 - 1
VERSION_KEY = "imagemake.manifest_schema"  # in the metadata of the Parquet file
_BOM = b"\xef\xbb\xbf"


def write_manifest(
    entries: Iterable[ManifestRow],
    csv_path: Path,
    parquet_path: Path,
    *,
    outputs: Iterable[str] = (),
    schema_path: Path | None = None,
    measures: Sequence[str] = (),
) -> None:
    """Write both tables of rows in any order; see `write_tables`."""
    chunks = list(cut(sorted(entries, key=lambda entry: order_of(entry.name))))
    columns = columns_of([found_in(chunk.rows()) for chunk in chunks], outputs)
    write_tables(chunks, columns, Pieces(None), csv_path, parquet_path, schema_path=schema_path, measures=measures)


def write_tables(
    chunks: Sequence[Chunk],
    columns: Mapping[str, Column],
    pieces: Pieces,
    csv_path: Path,
    parquet_path: Path,
    *,
    schema_path: Path | None = None,
    measures: Sequence[str] = (),
) -> None:
    """Write both tables, one row per request, sorted by name; equal rows give equal bytes.

    Args:
        chunks: The requests, in order.
        columns: From `columns_of`.
        pieces: Keeps what is made of each chunk.
        csv_path: Table for people.
        parquet_path: Table for programs, with a row group per chunk.
        schema_path: Where to write the JSON schema of the rows, if anywhere.
        measures: Identities of the measures that the quantities come from, such as ``phash@1``. The Parquet file keeps
            them in its metadata, so that a later release can tell which values are comparable.
    """
    told = [(name, column.kind) for name, column in columns.items()]
    with writing(csv_path) as file:
        file.write(_BOM + _csv_bytes([map(safe_cell, columns)]))
        for chunk in chunks:
            file.write(pieces.get("csv", [chunk.digest, told], partial(_csv_of, chunk, columns)))
    _write_parquet(parquet_path, chunks, columns, pieces, measures)
    if schema_path is not None:
        write_whole(schema_path, schema_bytes(manifest_schema(columns)))


def found_in(rows: Iterable[ManifestRow]) -> dict[str, dict[str, list[str]]]:
    """Return which columns some rows have in each group of columns, and of what types their values are."""
    found: dict[str, dict[str, set[str]]] = {field: {} for field in GROUPS}
    for row in rows:
        for field, names in found.items():
            for name, value in getattr(row, field).items():
                names.setdefault(name, set()).add(type(value).__name__)
    return {field: {name: sorted(types) for name, types in names.items()} for field, names in found.items()}


def columns_of(found: Iterable[Mapping[str, Mapping[str, Iterable[str]]]], outputs: Iterable[str]) -> dict[str, Column]:
    """Return the columns of a release, by name, in their order.

    Args:
        found: What `found_in` returns for all of its rows.
        outputs: Labels of additional outputs. They have columns even if no image has a file.
    """
    types: dict[str, dict[str, set[str]]] = {field: {} for field in GROUPS}
    for one in found:
        for field, names in one.items():
            for name, of_name in names.items():
                types[field].setdefault(name, set()).update(of_name)
    columns = dict(COLUMNS)
    columns |= {output_column(label, name): of_output(label, name) for label in outputs for name in OF_OUTPUT}
    for field, group in GROUPS.items():
        for name, of_name in sorted(types[field].items()):
            column = Column(f"{group.meaning}: {name}", kind=_kind_of(of_name), may_be_empty=True)
            columns[f"{group.prefix}.{name}"] = column
    return columns


def read_manifest(csv_path: Path) -> list[dict[str, str]]:
    """Read the CSV: every cell as text, without the apostrophes that protect spreadsheets."""
    return list(rows_of(csv_path))


def rows_of(csv_path: Path) -> Iterator[dict[str, str]]:
    """Yield what `read_manifest` returns, row by row: the rows of a large release take a gigabyte."""
    csv.field_size_limit(_LONGEST_CELL)  # the history of a long prompt can exceed Python's default
    with csv_path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield {plain_cell(key): plain_cell(cell) for key, cell in row.items()}


def files_in(row: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the released files in a row of the CSV: by output, ``main`` for the main one, and then by column."""
    found = {MAIN: {name: row.get(name, "") for name in OF_OUTPUT}}
    found |= {label: {name: row[output_column(label, name)] for name in OF_OUTPUT} for label in output_labels(row)}
    return {label: file for label, file in found.items() if file["file"]}


def _table(rows: Sequence[ManifestRow], columns: Mapping[str, Column]) -> Table:
    values: dict[str, Sequence[Any]] = {name: list(map(attrgetter(name), rows)) for name in COLUMNS}
    for label in output_labels(columns):
        files = [row.outputs.get(label) for row in rows]
        for name in OF_OUTPUT:
            value = attrgetter(name)
            values[output_column(label, name)] = [None if file is None else value(file) for file in files]
    for field, group in GROUPS.items():
        mappings, start = list(map(attrgetter(field), rows)), f"{group.prefix}."
        for column in columns:
            if column.startswith(start):
                values[column] = [mapping.get(column.removeprefix(start)) for mapping in mappings]
    return {name: (column, _stored(column.kind, values[name])) for name, column in columns.items()}


def _kind_of(types: Iterable[str]) -> Kind:
    found = {*types} - {NoneType.__name__}
    # Whole numbers count as numbers, so that a measure of exactly 1 does not change a column's type between releases.
    if found <= {"int", "float"}:
        return "number"
    return "flag" if found == {"bool"} else "text"


def _stored(kind: Kind, values: Sequence[Any]) -> Sequence[Any]:
    if kind == "json":
        return [orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode() if value else None for value in values]
    if kind == "text":  # a parameter can be a number in one row and a word in another
        return [value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values]
    return values


def _csv_of(chunk: Chunk, columns: Mapping[str, Column]) -> bytes:
    table = _table(chunk.rows(), columns)
    return _csv_bytes(zip(*(map(_CELLS[column.kind], values) for column, values in table.values()), strict=True))


def _csv_bytes(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    # All text in quotes: Python 3.11 would not quote a single carriage return.
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _number_cell(value: float | None) -> float | str:
    return "" if value is None else value


def _text_cell(value: str | None) -> str:
    return safe_cell(value) if value else ""


_CELLS: Mapping[Kind, Callable[[Any], str | float]] = {
    "text": _text_cell,
    "texts": lambda values: safe_cell("; ".join(values)),
    "json": _text_cell,
    "whole": _number_cell,
    "number": _number_cell,
    "flag": {None: "", True: "true", False: "false"}.__getitem__,
    "time": _text_cell,
}


def _write_parquet(
    path: Path, chunks: Sequence[Chunk], columns: Mapping[str, Column], pieces: Pieces, measures: Sequence[str]
) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    read_by = {MEASURES_FIELD: orjson.dumps(list(measures)).decode()} if measures else {}
    fields = [pa.field(name, _arrow_type(column.kind), metadata=_metadata(column)) for name, column in columns.items()]
    schema = pa.schema(fields, metadata={VERSION_KEY: MANIFEST_VERSION, **read_by, "pandas": _for_pandas(columns)})
    told = [(name, column.kind) for name, column in columns.items()]
    # One core: rows of one chunk are too few for more, and threads would keep memory.
    with writing(path) as file, ParquetWriter(file, schema, compression="zstd") as writer:
        for chunk in chunks:
            content = pieces.get("arrow", [chunk.digest, told], partial(_arrow_of, chunk, columns))
            table = pa.ipc.open_stream(content).read_all()
            writer.write_table(table.replace_schema_metadata(None).cast(schema))
        if not chunks:
            writer.write_table(schema.empty_table())


def _arrow_of(chunk: Chunk, columns: Mapping[str, Column]) -> bytes:
    import pyarrow as pa

    table = _table(chunk.rows(), columns)
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
