"""Which rows of two manifests differ, and for which reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from imagemake.versions.diff.table import GROUPS, is_file, is_output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Marks = NDArray[np.bool_]
    Places = NDArray[np.intp]

# All reasons, in the order in which they are shown.
REASONS: Mapping[str, str] = {
    "prompt": "the prompt changed",
    "negative prompt": "the negative prompt changed",
    "provider": "another provider",
    "model": "another model or model version",
    "parameters": "a parameter of the model changed",
    "model files": "the content of a file that the model is made of changed, such as its weights",
    "seed": "another seed",
    "attempt": "another attempt, because of a check or a decision",
    "reference": "the content or order of reference images changed",
    "mask": "the content of the mask changed",
    "recipe": "another key for a reason without a column, such as another server",
    "regenerated": "the same key but another raw image: the image was lost, or the provider ignores seeds",
    "postprocessing": "the same raw image but another finished one, in any output",
    "review": "the decision about the image or its note changed, as recorded in its XMP packet",
    "metadata": "the same finished image in another file: its XMP packet or another mark changed",
    "file": "another file name, in any output",
    "verdict": "the verdict or its reasons changed",
    "catalog": "a value of the catalog or of a variable changed",
    "name": "another name for the same key",
}
# Reason and column. A column that only one manifest has is not compared: the other is from a version without it.
_COLUMNS = (
    ("prompt", "prompt"),
    ("negative prompt", "negative_prompt"),
    ("provider", "provider"),
    ("model", "model"),
    ("seed", "seed"),
    ("attempt", "attempt"),
    ("reference", "reference_digests"),
    ("mask", "mask_digest"),
    ("verdict", "verdict"),
    ("verdict", "reasons"),
)
_IN_KEY = ("prompt", "negative prompt", "provider", "model", "parameters", "model files", "seed", "reference", "mask")
_OF_GROUP = {"variable.": "catalog", "parameter.": "parameters", "model_file.": "model files"}


@dataclass(frozen=True, slots=True)
class MarkedRows:
    """Which rows differ, by reason and by column."""

    reasons: Mapping[str, Marks]
    columns: Mapping[str, Marks]

    def of(self, rows: Places) -> MarkedRows:
        """Return the marks of some rows."""
        reasons, columns = (
            {name: marks[rows] for name, marks in group.items()} for group in (self.reasons, self.columns)
        )
        return MarkedRows(reasons, {"name": reasons["name"], **columns})


@dataclass(frozen=True, slots=True)
class SomeRows:
    """Some rows of a table, of which each column is taken when it is needed: all at once take much of the memory."""

    table: Any
    rows: Places

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> Any:
        return self.table[column].take(self.rows)

    @property
    def column_names(self) -> list[str]:
        """The names of the table's columns."""
        names: list[str] = self.table.column_names
        return names


def mark_differences(one: SomeRows, other: SomeRows) -> MarkedRows:
    """Compare as many rows of two tables one by one."""
    import numpy as np

    reasons = {reason: np.zeros(len(one), dtype=bool) for reason in REASONS}
    columns: dict[str, Marks] = {}
    for reason, column in chain(_COLUMNS, _group_columns(one, other)):
        is_in_group = column.startswith(GROUPS)
        if is_in_group or (column in one.column_names and column in other.column_names):
            columns[column] = _differs(one, other, column)
            reasons[reason] |= columns[column]
    same_key, raw, finished, file = _same(one, other)
    known = np.logical_or.reduce([reasons[reason] for reason in _IN_KEY])
    reasons["recipe"] = ~same_key & ~known
    reasons["regenerated"] = same_key & (raw == _OTHER)
    reasons["postprocessing"] = (raw == _SAME) & (finished == _OTHER)
    for column in sorted(filter(is_output, {*one.column_names, *other.column_names})):
        columns[column] = (raw == _SAME) & _differs(one, other, column)
        reasons["postprocessing"] |= columns[column]
    reasons["metadata"] = (finished == _SAME) & (file == _OTHER)
    for column in sorted(filter(is_file, {*one.column_names, *other.column_names})):
        there = _numpy(_not_equal(column_of(one, column), "")) & _numpy(_not_equal(column_of(other, column), ""))
        columns[column] = there & _differs(one, other, column)
        reasons["file"] |= columns[column]
    return MarkedRows(reasons, columns)


_MISSING, _SAME, _OTHER = 0, 1, 2


def _same(one: Any, other: Any) -> tuple[Marks, NDArray[np.int8], NDArray[np.int8], NDArray[np.int8]]:
    """Return whether keys are equal, and whether raw images, finished images, and files are same, other, or missing."""
    import numpy as np

    def digests(table: Any, column: str) -> Any:
        # Manifests from before XMP have no `finished_digest`: the file was the finished image.
        return column_of(table, column if column in table.column_names else "digest")

    def look(column: str) -> NDArray[np.int8]:
        a, b = digests(one, column), digests(other, column)
        there = _numpy(_not_equal(a, "")) & _numpy(_not_equal(b, ""))
        return np.where(there, np.where(_numpy(_not_equal(a, b)), _OTHER, _SAME), _MISSING).astype(np.int8)

    raw = look("raw_digest") if "raw_digest" in one.column_names and "raw_digest" in other.column_names else None
    nothing = np.zeros(len(one), dtype=np.int8)
    return ~_differs(one, other, "key"), nothing if raw is None else raw, look("finished_digest"), look("digest")


def _group_columns(one: Any, other: Any) -> Iterator[tuple[str, str]]:
    for column in sorted({*one.column_names, *other.column_names}):
        for prefix, reason in _OF_GROUP.items():
            if column.startswith(prefix):
                yield reason, column


def column_of(table: Any, name: str) -> Any:
    """Return a column of a table as one array; empty texts if the table has no such column."""
    import pyarrow as pa

    # combine_chunks: chunked columns are compared chunk by chunk, but the two have different chunks.
    if name not in table.column_names:
        return pa.array([""] * len(table), pa.string())
    return table[name].combine_chunks()


def _not_equal(one: Any, other: Any) -> Any:
    import pyarrow.compute as pc

    return pc.not_equal(one, other)


def _numpy(marks: Any) -> Marks:
    found: Marks = marks.to_numpy(zero_copy_only=False).astype(bool)
    return found


def _differs(one: Any, other: Any, column: str) -> Marks:
    return _numpy(_not_equal(column_of(one, column), column_of(other, column)))
