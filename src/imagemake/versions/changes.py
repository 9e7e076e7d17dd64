"""Counts how images changed from one release to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from imagemake.release.manifest.columns import OUTPUT, output_column, output_labels
from imagemake.release.manifest.tables import files_in
from imagemake.versions.records import Changes

Row = Mapping[str, Any]
_AT_ONCE = 2_000  # rows
COLUMNS = ("name", "file", "digest", "finished_digest")


def read_rows(manifest: Path, columns: Sequence[str] = COLUMNS) -> list[Row]:
    """Read some columns of a manifest's Parquet file. Missing columns are None."""
    from pyarrow import parquet

    known = parquet.read_schema(manifest).names
    table = parquet.read_table(manifest, columns=[column for column in columns if column in known])
    return [{**dict.fromkeys(columns), **row} for row in table.to_pylist()]


def rows_of(manifest: Path) -> Iterator[Row]:
    """Yield the rows of a manifest's Parquet file with all columns, a part of the file at a time."""
    from pyarrow import parquet

    with parquet.ParquetFile(manifest) as file:
        for some in file.iter_batches(batch_size=_AT_ONCE):
            yield from some.to_pylist()


def read_files(manifest: Path) -> list[Row]:
    """Read `COLUMNS` and all columns of additional outputs."""
    from pyarrow import parquet

    further = (name for name in parquet.read_schema(manifest).names if name.startswith(OUTPUT))
    return read_rows(manifest, (*COLUMNS, *further))


def released_files(manifest: Path) -> Iterator[tuple[str, str]]:
    """Yield path, relative to the release, and SHA-256 of every released file, including additional outputs."""
    from pyarrow import parquet

    labels = output_labels(parquet.read_schema(manifest).names)
    files = [("file", "digest"), *((output_column(label, "file"), output_column(label, "digest")) for label in labels)]
    for row in read_rows(manifest, [*chain.from_iterable(files)]):
        yield from ((row[file], row[digest]) for file, digest in files if row[file])


def changes_between(before: Iterable[Path], rows: Iterable[Row]) -> Changes:
    """Count the changes in a release.

    Args:
        before: Manifests of the preceding releases. If several have a name, an image is unchanged if any of them has
            the same files. A missing manifest, which was not fetched, counts as empty.
        rows: Rows of the release, from `read_files`.
    """
    known: dict[str, list[Row]] = {}
    for path in before:
        for row in read_files(path) if path.is_file() else ():
            if row["file"]:
                known.setdefault(row["name"], []).append(row)
    counts = dict.fromkeys(Changes.model_fields, 0)
    now = [row for row in rows if row["file"]]
    for row in now:
        counts[_kind(row, known.get(row["name"], ()))] += 1
    counts["removed"] = len(known.keys() - {row["name"] for row in now})
    return Changes(**counts)


def _kind(row: Row, before: Sequence[Row]) -> str:
    if not before:
        return "new"
    if any(_of_files(row, "digest") == _of_files(other, "digest") for other in before):
        return "unchanged"
    same_pixels = any(_of_files(row, "finished_digest") == _of_files(other, "finished_digest") for other in before)
    return "metadata" if same_pixels else "changed"


def _of_files(row: Row, column: str) -> dict[str, str]:
    """Return a column of each of an image's files, by output."""
    return {output: file[column] for output, file in files_in(row).items()}
