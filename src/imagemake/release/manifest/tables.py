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
from operator import attrgetter
from pathlib import Path
from types import NoneType
from typing import Any

import orjson

from imagemake.config.fields import MAIN
from imagemake.core.files import write_whole, writing
from imagemake.core.spreadsheet import plain_cell, safe_cell
from imagemake.release.manifest.columns import Column, Kind, output_column, output_labels
from imagemake.release.manifest.row import COLUMNS, GROUPS, MANIFEST_VERSION, OF_OUTPUT, ManifestRow
from imagemake.release.manifest.schema import manifest_schema, of_output, schema_bytes
from imagemake.stages.validate.earlier_releases import MEASURES_FIELD

__all__ = ["files_in", "read_manifest"]

Table = Mapping[str, tuple[Column, Sequence[Any]]]  # by name: the column, and its value in each row

_LONGEST_CELL = 2**31 - 1
GROUP_ROWS = 10_000  # of the Parquet file: what is converted at a time
VERSION_KEY = "imagemake.manifest_schema"  # in the metadata of the Parquet file


def write_manifest(
    entries: Iterable[ManifestRow],
    csv_path: Path,
    parquet_path: Path,
    *,
    outputs: Iterable[str] = (),
    schema_path: Path | None = None,
    measures: Sequence[str] = (),
) -> None:
    """Write both tables, one row per request, sorted by name; equal entries give equal bytes.

    Args:
        entries: The requests, in any order.
        csv_path: Table for people.
        parquet_path: Table for programs.
        outputs: Labels of additional outputs. They have columns even if no image has a file.
        schema_path: Where to write the JSON schema of the rows, if anywhere.
        measures: Identities of the measures that the quantities come from, such as ``phash@1``. The Parquet file keeps
            them in its metadata, so that a later release can tell which values are comparable.
    """
    table = _table(sorted(entries, key=lambda entry: entry.name), outputs)
    _write_csv(csv_path, table)
    _write_parquet(parquet_path, table, measures)
    if schema_path is not None:
        write_whole(schema_path, schema_bytes(manifest_schema({name: column for name, (column, _) in table.items()})))


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


def _table(entries: Sequence[ManifestRow], outputs: Iterable[str]) -> Table:
    table: dict[str, tuple[Column, Sequence[Any]]] = {
        name: (column, list(map(attrgetter(name), entries))) for name, column in COLUMNS.items()
    }
    for label in outputs:
        files = [entry.outputs.get(label) for entry in entries]
        for name in OF_OUTPUT:
            value = attrgetter(name)
            values = [None if file is None else value(file) for file in files]
            table[output_column(label, name)] = of_output(label, name), values
    for field, group in GROUPS.items():
        mappings = list(map(attrgetter(field), entries))
        for name in sorted({name for mapping in mappings for name in mapping}):
            values = [mapping.get(name) for mapping in mappings]
            column = Column(f"{group.meaning}: {name}", kind=_kind_of({*map(type, values)}), may_be_empty=True)
            table[f"{group.prefix}.{name}"] = column, values
    return {name: (column, _stored(column.kind, values)) for name, (column, values) in table.items()}


def _kind_of(types: set[type]) -> Kind:
    types.discard(NoneType)
    # Whole numbers count as numbers, so that a measure of exactly 1 does not change a column's type between releases.
    if types <= {int, float}:
        return "number"
    return "flag" if types == {bool} else "text"


def _stored(kind: Kind, values: Sequence[Any]) -> Sequence[Any]:
    if kind == "json":
        return [orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode() if value else None for value in values]
    if kind == "text":  # a parameter can be a number in one row and a word in another
        return [value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values]
    return values


def _write_csv(path: Path, table: Table) -> None:
    with writing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        # All text in quotes: Python 3.11 would not quote a single carriage return.
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(safe_cell(name) for name in table)
        writer.writerows(zip(*(map(_CELLS[column.kind], values) for column, values in table.values()), strict=True))
        text.detach()


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


def _write_parquet(path: Path, table: Table, measures: Sequence[str]) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    types = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "json": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    fields = [pa.field(name, types[column.kind], metadata=_metadata(column)) for name, (column, _) in table.items()]
    read_by = {MEASURES_FIELD: orjson.dumps(list(measures)).decode()} if measures else {}
    metadata = {VERSION_KEY: MANIFEST_VERSION, **read_by, "pandas": _for_pandas(table)}
    schema = pa.schema(fields, metadata=metadata)
    n = max(len(values) for _, values in table.values())
    with writing(path) as file, ParquetWriter(file, schema, compression="zstd") as writer:
        for start in range(0, max(n, 1), GROUP_ROWS):
            arrays = [
                pa.array(_in_parquet(column.kind, values[start : start + GROUP_ROWS]), field.type, from_pandas=True)
                for field, (column, values) in zip(fields, table.values(), strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _in_parquet(kind: Kind, values: Sequence[Any]) -> Sequence[Any]:
    if kind == "time":
        return [value and datetime.fromisoformat(value) for value in values]
    if kind == "number":
        return [None if value is None else float(value) for value in values]
    return values


def _for_pandas(table: Table) -> bytes:
    """Return what pandas reads beside the types: without it, a missing whole number makes its column one of floats."""
    columns = [
        {
            "name": name,
            "field_name": name,
            "pandas_type": _PANDAS_TYPES[column.kind][0],
            "numpy_type": _PANDAS_TYPES[column.kind][1],
            "metadata": {"timezone": "UTC"} if column.kind == "time" else None,
        }
        for name, (column, _) in table.items()
    ]
    return orjson.dumps({"index_columns": [], "column_indexes": [], "columns": columns, "attributes": {}})


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
