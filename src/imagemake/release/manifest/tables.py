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
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any

from imagemake.config.fields import MAIN
from imagemake.core.files import write_whole, writing
from imagemake.core.spreadsheet import plain_cell, safe_cell
from imagemake.release.manifest.chunks.chunk import Chunk, cut
from imagemake.release.manifest.chunks.order import order_of
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.columns import Column, Kind, output_column, output_labels
from imagemake.release.manifest.parquet import arrow_piece, write_parquet
from imagemake.release.manifest.row import COLUMNS, GROUPS, OF_OUTPUT, ManifestRow
from imagemake.release.manifest.schema import manifest_schema, of_output, schema_bytes
from imagemake.release.manifest.values import table_of

__all__ = ["files_in", "read_manifest"]

_LONGEST_CELL = 2**31 - 1
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
        parquet_path: Table for programs.
        schema_path: Where to write the JSON schema of the rows, if anywhere.
        measures: Identities of the measures that the quantities come from, such as ``phash@1``. The Parquet file keeps
            them in its metadata, so that a later release can tell which values are comparable.
    """
    told = [(name, column.kind) for name, column in columns.items()]
    with writing(csv_path) as file:
        file.write(_BOM + _csv_bytes([map(safe_cell, columns)]))
        for chunk in chunks:
            file.write(pieces.get("csv", [chunk.digest, told], partial(_csv_of, chunk, columns)))
            if chunk.is_read and chunk.can_be_read_again:
                arrow_piece(chunk, columns, pieces)  # while its rows are in memory
                chunk.forget()
    write_parquet(parquet_path, chunks, columns, pieces, measures)
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


def _kind_of(types: Iterable[str]) -> Kind:
    found = {*types} - {NoneType.__name__}
    # Whole numbers count as numbers, so that a measure of exactly 1 does not change a column's type between releases.
    if found <= {"int", "float"}:
        return "number"
    return "flag" if found == {"bool"} else "text"


def _csv_of(chunk: Chunk, columns: Mapping[str, Column]) -> bytes:
    table = table_of(chunk.rows(), columns)
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
