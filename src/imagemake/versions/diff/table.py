"""Reads the manifest of a release as columns of text, from either file format and any version.

Every value becomes the text in the CSV, so that a CSV can be compared with a Parquet file, and a parameter that was a
number with one that is now a word. Missing values are empty. Manifests are untrusted: they are read within limits, and
errors are reported in words.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from imagemake.core.problems import Problem, UserError
from imagemake.core.spreadsheet import plain_cell
from imagemake.release.manifest.columns import OUTPUT
from imagemake.release.manifest.row import COLUMNS
from imagemake.release.manifest.row import GROUPS as ALL_GROUPS

MOST_BYTES = 2_000_000_000  # of a file; each decompressed column has its own limit
MOST_COLUMN_BYTES = 1_000_000_000
MOST_ROWS = 10_000_000
MOST_COLUMNS = 2_000

NEEDED = ("name", "key", "verdict", "prompt")
FIXED = (
    *NEEDED,
    *("file", "reasons", "negative_prompt", "provider", "model", "seed", "attempt", "attempts"),
    *("reference_digests", "mask_digest", "digest", "finished_digest", "raw_digest"),
    *("seconds", "cost_usd", "tries", "width_px", "height_px", "bytes", "history", "measure.phash.hash"),
)
PARAMETER = f"{ALL_GROUPS['parameters'].prefix}."
GROUPS = (f"{ALL_GROUPS['variables'].prefix}.", PARAMETER, f"{ALL_GROUPS['model_files'].prefix}.")
OF_OUTPUT = ".finished_digest"  # the compared column of an additional output
FILE_OF_OUTPUT = ".file"
_SHOWN_OF_OUTPUT = (FILE_OF_OUTPUT, ".digest")

_LIST = ".list.element"


def read_table(data: bytes, where: str) -> Any:
    """Read the compared columns of a manifest.

    Args:
        data: A ``manifest.parquet`` or ``manifest.csv``.
        where: Name of the manifest in messages.

    Returns:
        A pyarrow table of text without nulls: the columns of `FIXED` and `GROUPS` that the file has.

    Raises:
        UserError: If it is not a manifest, or exceeds a limit.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        columns = _of_parquet(data) if data.startswith(b"PAR1") else _of_csv(data)
        missing = [column for column in NEEDED if column not in columns]
        if missing:
            raise ValueError(f"it has no column {', '.join(missing)}")
        columns = {name: _as_whole(column) if _may_be_number(name) else column for name, column in columns.items()}
        table = pa.table(columns)
    except (pa.ArrowException, ValueError, OSError, MemoryError, OverflowError, csv.Error) as error:
        what = (str(error).splitlines() or [type(error).__name__])[0][:300].rstrip(".")
        remedy = "Fetch or build it again. It must be the manifest.parquet or manifest.csv of a release."
        raise UserError(Problem(where, f"invalid manifest: {what}.", remedy)) from error
    if pc.count_distinct(table["name"]).as_py() < len(table):
        counts = pc.value_counts(table["name"])
        name = ascii(str(pc.filter(counts, pc.greater(counts.field("counts"), 1))[0]["values"])[:100])
        raise UserError(
            Problem(where, f"it has the name {name} twice.", "Names must be unique. Build the release again.")
        )
    return table


def with_names(table: Any, globs: Sequence[str]) -> Any:
    """Keep the rows whose name matches a pattern, or all rows if there is no pattern."""
    if not globs:
        return table
    is_kept = [any(fnmatchcase(name, glob) for glob in globs) for name in table["name"].to_pylist()]
    import pyarrow as pa

    return table.filter(pa.array(is_kept, pa.bool_()))


def _is_compared(column: str) -> bool:
    is_shown = column.startswith(OUTPUT) and column.endswith(_SHOWN_OF_OUTPUT)
    return column in FIXED or column.startswith(GROUPS) or is_output(column) or is_shown


def is_output(column: str) -> bool:
    """Return whether a column contains the digest of an additional output."""
    return column.startswith(OUTPUT) and column.endswith(OF_OUTPUT)


def is_file(column: str) -> bool:
    """Return whether a column contains the name of a released file."""
    return column == "file" or (column.startswith(OUTPUT) and column.endswith(FILE_OF_OUTPUT))


def output_of(column: str) -> str:
    """Return the output label in the name of a digest column."""
    return column.removeprefix(OUTPUT).removesuffix(OF_OUTPUT)


def _of_parquet(data: bytes) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import parquet

    reader = pa.BufferReader(data)
    file = parquet.ParquetFile(reader)
    schema, rows = file.schema_arrow, file.metadata.num_rows
    names = [name for name in schema.names if _is_compared(name)]
    _check_sizes(rows, names)
    texts = [name for name in names if pa.types.is_string(schema.field(name).type)]
    lists = [name for name in names if pa.types.is_list(schema.field(name).type)]
    # As dictionaries, because a small file can repeat a long text a million times.
    stored = [*texts, *(name + _LIST for name in lists)]
    file = parquet.ParquetFile(reader, read_dictionary=stored)
    # Column by column, since dictionaries and texts of all at once take several times the memory.
    return {name: _as_text(name, _read(file, name)) for name in names}


def _read(file: Any, name: str) -> Any:
    import pyarrow as pa

    # Group by group, because pyarrow cannot read a list of dictionaries over several groups at once.
    groups = [file.read_row_group(group, columns=[name], use_threads=False) for group in range(file.num_row_groups)]
    return (pa.concat_tables(groups) if groups else file.read(columns=[name]))[name]


def _check_sizes(rows: int, columns: Iterable[str]) -> None:
    columns = list(columns)
    if rows > MOST_ROWS:
        raise ValueError(f"it has {rows:,} rows, more than {MOST_ROWS:,}")
    if len(columns) > MOST_COLUMNS:
        raise ValueError(f"it has {len(columns):,} columns to compare, more than {MOST_COLUMNS:,}")
    if len(set(columns)) < len(columns):
        raise ValueError("it has duplicate columns")


def _as_text(name: str, column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type):
        return _joined(name, column)
    if pa.types.is_dictionary(column.type):
        column = _plain(name, column)
    elif pa.types.is_null(column.type):
        return pa.array([""] * len(column), pa.string())
    return pc.fill_null(pc.cast(column, pa.string()), "")


def _plain(name: str, column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = (pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() for chunk in column.chunks)
    if sum(size or 0 for size in sizes) > MOST_COLUMN_BYTES:
        raise ValueError(f"its column {name} holds more than {MOST_COLUMN_BYTES / 1e9:.0f} GB of text")
    return pc.cast(column, pa.string())


def _joined(name: str, column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    chunks = []
    for chunk in column.chunks:
        values = chunk.flatten()
        if pa.types.is_dictionary(values.type):
            values = _plain(name, pa.chunked_array([values])).combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(chunk), 0)
        offsets = pa.array([0], pa.int32()), pc.cumulative_sum(pc.cast(lengths, pa.int32()))
        lists = pa.ListArray.from_arrays(pa.concat_arrays(offsets), values)
        chunks.append(pc.binary_join(lists, "; "))
    return pa.chunked_array(chunks, pa.string())


def _of_csv(data: bytes) -> dict[str, Any]:
    import pyarrow as pa

    csv.field_size_limit(MOST_BYTES)
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline=""), strict=True)
    heading = [plain_cell(cell) for cell in next(reader, [])]
    places = [place for place, name in enumerate(heading) if _is_compared(name)]
    _check_sizes(0, [heading[place] for place in places])
    columns: list[list[str]] = [[] for _ in places]
    for row in reader:
        if len(row) != len(heading):
            raise ValueError(f"line {reader.line_num} has {len(row)} cells, and the first line {len(heading)}")
        for column, place in zip(columns, places, strict=True):
            column.append(plain_cell(row[place]))
    return {heading[place]: pa.array(column, pa.string()) for place, column in zip(places, columns, strict=True)}


def _may_be_number(column: str) -> bool:
    return column.startswith(PARAMETER) or (column in COLUMNS and COLUMNS[column].kind == "number")


def _as_whole(column: Any) -> Any:
    import pyarrow.compute as pc

    # A CSV, or a column that also contains words, has 1024.0; pyarrow writes 1024.
    return pc.replace_substring_regex(column, r"^(-?[0-9]+)\.0$", r"\1")
