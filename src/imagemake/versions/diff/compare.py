"""Compares two manifests by name and gives the reasons for each change. Pure functions: tables in, changes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from imagemake.versions.diff.marks import REASONS, MarkedRows, SomeRows, column_of, mark_differences
from imagemake.versions.diff.table import is_file

if TYPE_CHECKING:
    from imagemake.versions.diff.marks import Places

Kind = Literal["changed", "added", "removed", "renamed"]
KINDS: tuple[Kind, ...] = ("changed", "added", "removed", "renamed")


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
    marks = mark_differences(SomeRows(before, both[:, 0]), SomeRows(after, both[:, 1]))
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


def _changed(before: Any, after: Any, rows: Places, marks: MarkedRows) -> Iterator[Change]:
    """Yield a change for each pair of rows, shape (n, 2), with the reasons and columns that are marked."""
    one, other = before.take(rows[:, 0]), after.take(rows[:, 1])
    values = {
        column: (column_of(one, column).to_pylist(), column_of(other, column).to_pylist())
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
    pairs = zip(column_of(one, column).to_pylist(), column_of(other, column).to_pylist(), strict=True)
    return [_bits_between(a, b) for a, b in pairs]


def _bits_between(one: str, other: str) -> int | None:
    if len(one) != 16 or len(other) != 16 or not set(one + other) <= set("0123456789abcdef"):
        return None
    return (int(one, 16) ^ int(other, 16)).bit_count()


def _names(table: Any, rows: Places) -> Iterator[tuple[str, int]]:
    return zip(table["name"].take(rows).to_pylist(), rows.tolist(), strict=True)
