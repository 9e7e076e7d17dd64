"""Compares two manifests by name and gives the reasons for each change. Pure functions: tables in, changes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from imagemake.versions.diff.table import GROUPS, is_file, is_output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Marks = NDArray[np.bool_]
    Places = NDArray[np.intp]

Kind = Literal["changed", "added", "removed", "renamed"]
KINDS: tuple[Kind, ...] = ("changed", "added", "removed", "renamed")

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
class Change:
    """A change of one image.

    Attributes:
        name: Name after the change; if removed, the name before.
        kind: Kind of change.
        reasons: Keys of `REASONS`, in that order; empty if added or removed.
        before: Its row in the earlier table; None if added.
        after: Its row in the later table; None if removed.
        differences: Values before and after, by column. Keys and digests are left out, except those of reference
            images and additional outputs.
        hash_bits: Differing bits of the raw images' perceptual hashes, of 64; None if a hash is missing.
    """

    name: str
    kind: Kind
    reasons: tuple[str, ...] = ()
    before: int | None = None
    after: int | None = None
    differences: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    hash_bits: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between two manifests.

    Attributes:
        changes: All changes, sorted by name.
        unchanged: Number of unchanged names.
    """

    changes: Sequence[Change]
    unchanged: int

    def counts(self) -> dict[str, int]:
        """Count changes by kind, including kinds without changes."""
        counts = Counter(change.kind for change in self.changes)
        return {**{kind: counts[kind] for kind in KINDS}, "unchanged": self.unchanged}

    def reasons(self) -> dict[str, int]:
        """Count changes by reason, in the order of `REASONS`. A change with two reasons counts twice."""
        counts = Counter(chain.from_iterable(change.reasons for change in self.changes))
        return {reason: counts[reason] for reason in REASONS if counts[reason]}


def compare(before: Any, after: Any) -> Comparison:
    """Compare two manifests.

    Args:
        before: The earlier manifest, from `imagemake.versions.diff.table.read_table`.
        after: The later manifest, from `read_table`.
    """
    import numpy as np

    pairs, removed, added = _pairs(before, after)
    renamed, removed, added = _renamed(before, after, removed, added)
    both = np.concatenate([pairs, renamed])
    marks = _mark_differences(_Rows(before, both[:, 0]), _Rows(after, both[:, 1]))
    marks.reasons["name"][len(pairs) :] = True
    for of_file in (marks.reasons["file"], *(marks.columns[name] for name in marks.columns if is_file(name))):
        of_file[len(pairs) :] = False  # a renamed image always has renamed files
    changed = np.flatnonzero(np.logical_or.reduce([marks.reasons[reason] for reason in REASONS]))
    changes = [*_changed(before, after, both[changed], marks.of(changed))]
    changes += [Change(name, "added", after=row) for name, row in _names(after, added)]
    changes += [Change(name, "removed", before=row) for name, row in _names(before, removed)]
    return Comparison(sorted(changes, key=lambda change: change.name), len(both) - len(changed))


def _pairs(before: Any, after: Any) -> tuple[Places, Places, Places]:
    """Return pairs of rows with the same name, shape (n, 2), and the rows that only one table has."""
    import numpy as np
    import pyarrow.compute as pc

    found = pc.index_in(after["name"], value_set=before["name"]).combine_chunks()
    place = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.intp)
    common = np.flatnonzero(place >= 0)
    is_left = np.ones(len(before), dtype=bool)
    is_left[place[common]] = False
    return np.stack([place[common], common], axis=1), np.flatnonzero(is_left), np.flatnonzero(place < 0)


def _renamed(before: Any, after: Any, removed: Places, added: Places) -> tuple[Places, Places, Places]:
    """Find renamed images: a removed and an added one with the same key."""
    import numpy as np

    waiting: dict[str, list[int]] = {}
    for row, key in zip(removed.tolist(), before["key"].take(removed).to_pylist(), strict=True):
        waiting.setdefault(key, []).append(row)
    found = []
    for row, key in zip(added.tolist(), after["key"].take(added).to_pylist(), strict=True):
        if key and waiting.get(key):
            found.append((waiting[key].pop(0), row))
    renamed = np.array(found, dtype=np.intp).reshape(-1, 2)
    return renamed, np.setdiff1d(removed, renamed[:, 0]), np.setdiff1d(added, renamed[:, 1])


@dataclass(frozen=True, slots=True)
class _Marks:
    """Which rows differ, by reason and by column."""

    reasons: Mapping[str, Marks]
    columns: Mapping[str, Marks]

    def of(self, rows: Places) -> _Marks:
        """Return the marks of some rows."""
        reasons, columns = (
            {name: marks[rows] for name, marks in group.items()} for group in (self.reasons, self.columns)
        )
        return _Marks(reasons, {"name": reasons["name"], **columns})


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some rows of a table, of which each column is taken when it is needed: all at once take much of the memory."""

    table: Any
    rows: Places

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> Any:
        return self.table[column].take(self.rows)

    @property
    def column_names(self) -> list[str]:
        names: list[str] = self.table.column_names
        return names


def _mark_differences(one: _Rows, other: _Rows) -> _Marks:
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
        there = _numpy(_not_equal(_column(one, column), "")) & _numpy(_not_equal(_column(other, column), ""))
        columns[column] = there & _differs(one, other, column)
        reasons["file"] |= columns[column]
    return _Marks(reasons, columns)


_MISSING, _SAME, _OTHER = 0, 1, 2


def _same(one: Any, other: Any) -> tuple[Marks, NDArray[np.int8], NDArray[np.int8], NDArray[np.int8]]:
    """Return whether keys are equal, and whether raw images, finished images, and files are same, other, or missing."""
    import numpy as np

    def digests(table: Any, column: str) -> Any:
        # Manifests from before XMP have no `finished_digest`: the file was the finished image.
        return _column(table, column if column in table.column_names else "digest")

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


def _column(table: Any, name: str) -> Any:
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
    return _numpy(_not_equal(_column(one, column), _column(other, column)))


def _changed(before: Any, after: Any, rows: Places, marks: _Marks) -> Iterator[Change]:
    """Yield a change for each pair of rows, shape (n, 2), with the reasons and columns that are marked."""
    one, other = before.take(rows[:, 0]), after.take(rows[:, 1])
    values = {
        column: (_column(one, column).to_pylist(), _column(other, column).to_pylist())
        for column, differs in marks.columns.items()
        if differs.any()
    }
    if "attempt" in values:
        one_based = [[_from_one(number) for number in column] for column in values["attempt"]]
        values["attempt"] = one_based[0], one_based[1]
    bits = _hash_bits(one, other)
    for place, name in enumerate(other["name"].to_pylist()):
        reasons = tuple(reason for reason in REASONS if marks.reasons[reason][place])
        yield Change(
            name,
            "renamed" if "name" in reasons else "changed",
            reasons,
            int(rows[place, 0]),
            int(rows[place, 1]),
            {column: (a[place], b[place]) for column, (a, b) in values.items() if marks.columns[column][place]},
            bits[place],
        )


def _from_one(number: str) -> str:
    # Manifests count attempts from 0, people from 1.
    return str(int(number) + 1) if number.isascii() and number.isdigit() and len(number) < 10 else number


def _hash_bits(one: Any, other: Any) -> list[int | None]:
    column = "measure.phash.hash"
    pairs = zip(_column(one, column).to_pylist(), _column(other, column).to_pylist(), strict=True)
    return [_bits_between(a, b) for a, b in pairs]


def _bits_between(one: str, other: str) -> int | None:
    if len(one) != 16 or len(other) != 16 or not set(one + other) <= set("0123456789abcdef"):
        return None
    return (int(one, 16) ^ int(other, 16)).bit_count()


def _names(table: Any, rows: Places) -> Iterator[tuple[str, int]]:
    return zip(table["name"].take(rows).to_pylist(), rows.tolist(), strict=True)
