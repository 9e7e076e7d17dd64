"""Reads the Parquet file of a manifest a part at a time, and only the columns that are needed.

A release always has this file; all commands read it, because the rows of a large release take a gigabyte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from imagemake.release.manifest.columns import OUTPUT, output_column, output_labels

PARQUET = "manifest.parquet"
Row = Mapping[str, Any]
AT_ONCE = 2_000  # rows


def columns_in(manifest: Path) -> list[str]:
    """Return the names of all columns."""
    from pyarrow import parquet

    names: list[str] = parquet.read_schema(manifest).names
    return names


def rows_of(manifest: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Yield rows with typed values; by default, with all columns. Columns that the file lacks are None."""
    from pyarrow import parquet

    with parquet.ParquetFile(manifest) as file:
        known = file.schema_arrow.names
        lacking = dict.fromkeys(column for column in columns or () if column not in known)
        present = known if columns is None else [column for column in dict.fromkeys(columns) if column in known]
        for some in file.iter_batches(batch_size=AT_ONCE, columns=present):
            rows = some.to_pylist()
            yield from ({**lacking, **row} for row in rows) if lacking else rows


def text_row(manifest: Path, number: int) -> dict[str, str]:
    """Return one row as the text that the CSV has.

    Args:
        manifest: The Parquet file.
        number: Which row, from 0.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(manifest) as file:
        for group in range(file.num_row_groups):
            n_rows = file.metadata.row_group(group).num_rows
            if number < n_rows:
                row = file.read_row_group(group).slice(number, 1).to_pylist()[0]
                return {name: _text(value) for name, value in row.items()}
            number -= n_rows
    raise IndexError(number)


def output_columns(manifest: Path) -> list[str]:
    """Return the names of the columns of additional outputs."""
    return [name for name in columns_in(manifest) if name.startswith(OUTPUT)]


def released_files(manifest: Path) -> Iterator[tuple[str, str]]:
    """Yield path, relative to the release, and SHA-256 of every released file, including additional outputs."""
    labels = output_labels(columns_in(manifest))
    files = [("file", "digest"), *((output_column(label, "file"), output_column(label, "digest")) for label in labels)]
    for row in rows_of(manifest, [column for pair in files for column in pair]):
        yield from ((row[file], row[digest]) for file, digest in files if row[file])


def missing_files(manifest: Path) -> tuple[Counter[str], int]:
    """Return how many rows have no file, by verdict, and how many rows there are."""
    from pyarrow import parquet

    found, n_rows = Counter[str](), 0
    with parquet.ParquetFile(manifest) as file:
        for some in file.iter_batches(batch_size=AT_ONCE, columns=["verdict", "file"]):
            n_rows += len(some)
            found.update(some.filter(some["file"].is_null())["verdict"].to_pylist())
    return found, n_rows


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "; ".join(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)
