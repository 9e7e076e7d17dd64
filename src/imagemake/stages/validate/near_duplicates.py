"""Finding images that look like an earlier one, exactly, among hundreds of thousands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.stages.validate.near_pairs import HASH_BITS
from imagemake.stages.validate.prints import SAME, Alike, Prints

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]
    CanBeNear = Callable[[Rows, Rows], NDArray[np.bool_]]

# Near pairs to hold at once. Clusters have more: they are halved.
MOST_PAIRS_OF_FEW_ROWS = 1 << 15  # all pairs of 256 rows
HELD_PAIRS_PER_ROW = 4


@dataclass(frozen=True, slots=True)
class Near:
    """What an image is nearly the same as.

    Attributes:
        other: The other image, for people.
        is_same: Whether they differ no more than by encoding and size.
        is_mirrored: Whether one must be mirrored to be near the other.
    """

    other: str
    is_same: bool
    is_mirrored: bool

    def __str__(self) -> str:
        return f"{self.other}, mirrored" if self.is_mirrored else self.other


def described(prints: Prints, others: Prints, names: Sequence[str], alike: Alike) -> list[Near]:
    """Describe pairs of near images, row by row, with the names of the others."""
    same, mirrored = SAME.holds(prints, others).tolist(), (~alike.holds(prints, others)).tolist()
    return [Near(*pair) for pair in zip(names, same, mirrored, strict=True)]


def near_duplicates_of_earlier(prints: Prints, alike: Alike) -> dict[int, int]:
    """Find the images that repeat one that comes before them and is kept.

    Images are taken in the given order: one that is near a kept image is dropped, any other one is kept. So no two
    kept images are near each other, whatever clusters the hashes form, and memory stays bounded.

    A perceptual hash sees brightness only: the same mug in red and in blue has the same hash. So images are near only
    if their colors are near too.

    Returns:
        For each dropped image, the first kept one that it is near, by row, in ascending order.

    Raises:
        ValueError: If shapes do not match, or a limit is out of range.
    """
    import numpy as np

    hashes, colors = prints.hashes, prints.colors
    if hashes.ndim != 1 or colors.ndim != 2 or len(colors) != len(hashes):
        raise ValueError("hashes must have the shape (n,), colors (n, values)")
    if not 0 <= alike.max_distance_bits <= HASH_BITS or not 0 <= alike.max_color_levels <= 255:
        raise ValueError(f"{alike} is out of range")
    # Equal images share a result: only one of each is searched, so that 10,000 blank ones cost nothing.
    rows = np.concatenate([hashes.astype(">u8").view(np.uint8).reshape(-1, 8), colors], axis=1)
    _, first, group = np.unique(_as_scalars(rows), return_index=True, return_inverse=True)
    search = _Search(prints, alike)
    search.keep(np.sort(first))
    owner = search.owner
    representative = first[group]
    owner = np.where(owner[representative] >= 0, owner[representative], representative)
    dropped = np.flatnonzero(owner != np.arange(len(hashes)))
    return dict(zip(dropped.tolist(), owner[dropped].tolist(), strict=True))


def first_near(new: Prints, known: Prints, alike: Alike, can_be_near: CanBeNear) -> dict[int, int]:
    """Find for each new image the first known one that it is near.

    Args:
        new: Images to look up; whether they are near each other does not matter.
        known: Images to compare with; they have as many colors per image.
        alike: What counts as near.
        can_be_near: Returns which pairs count, from their rows in `new` and their rows in `known`.

    Returns:
        Rows of `known` by rows of `new`, for those that are near one.
    """
    import numpy as np

    first = np.full(len(new), len(known))
    for row, position in alike.pairs(new, known):
        counts = can_be_near(row, position)
        np.minimum.at(first, row[counts], position[counts])
    is_near = np.flatnonzero(first < len(known))
    return dict(zip(is_near.tolist(), first[is_near].tolist(), strict=True))


def _as_scalars(rows: NDArray[np.uint8]) -> NDArray[np.void]:
    # One opaque value per row: np.unique sorts these much faster than rows with axis=0.
    import numpy as np

    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()


class _Search:
    """Decides which images to keep; `owner` has the kept row that each dropped row is near, and -1 for kept rows."""

    def __init__(self, prints: Prints, alike: Alike) -> None:
        import numpy as np

        self.prints = prints
        self.alike = alike
        self.owner = np.full(len(prints), -1, dtype=np.intp)

    def keep(self, rows: Rows) -> Rows:
        """Return the rows that are kept, and note in `owner` what the others are near."""
        import numpy as np

        if (pairs := self._few_pairs(rows)) is not None:
            return self._keep_by(rows, *pairs)
        middle = len(rows) // 2
        kept_before = self.keep(rows[:middle])
        # A row near one that the first half keeps is dropped by the earliest such row, whatever else the second half
        # holds. The remaining rows only have each other left to compare with.
        later = rows[middle:]
        earliest = np.full(len(later), len(kept_before))
        for row, position in self.alike.pairs(self.prints.of(later), self.prints.of(kept_before)):
            np.minimum.at(earliest, row, position)
        is_near = earliest < len(kept_before)
        self.owner[later[is_near]] = kept_before[earliest[is_near]]
        return np.concatenate([kept_before, self.keep(later[~is_near])])

    def _few_pairs(self, rows: Rows) -> tuple[Rows, Rows] | None:
        """Return all near pairs among rows, sorted; None where there are too many to hold."""
        import numpy as np

        found, n_found = [np.zeros((2, 0), dtype=np.intp)], 0
        for one, other in self.alike.pairs(self.prints.of(rows), None):
            found.append(np.stack([np.minimum(one, other), np.maximum(one, other)]))
            n_found += len(one)
            if n_found > max(MOST_PAIRS_OF_FEW_ROWS, HELD_PAIRS_PER_ROW * len(rows)):
                return None
        first, second = np.concatenate(found, axis=1)
        order = np.argsort(first * len(rows) + second)
        return first[order], second[order]

    def _keep_by(self, rows: Rows, first: Rows, second: Rows) -> Rows:
        """Drop rows by all of their near pairs, sorted by the first of each."""
        import numpy as np

        is_dropped = np.zeros(len(rows), dtype=bool)
        for i, j in zip(first.tolist(), second.tolist(), strict=True):
            if not is_dropped[i] and not is_dropped[j]:
                is_dropped[j] = True
                self.owner[rows[j]] = rows[i]
        return rows[~is_dropped]
