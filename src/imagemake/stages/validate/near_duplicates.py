"""Finding images that look like an earlier one, exactly, among hundreds of thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.stages.validate.near_pairs import HASH_BITS, near_pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]
    CanBeNear = Callable[[Rows, Rows], NDArray[np.bool_]]

# Near pairs to hold at once, and pairs of near hashes whose colors to compare. Clusters have more: they are halved.
MOST_PAIRS_OF_FEW_ROWS = 1 << 15  # all pairs of 256 rows
HELD_PAIRS_PER_ROW = 4
COLOR_PAIRS_PER_ROW = 64


def near_duplicates_of_earlier(
    hashes: NDArray[np.uint64],
    max_distance_bits: int,
    *,
    colors: NDArray[np.uint8] | None = None,
    max_color_levels: int = 0,
) -> dict[int, int]:
    """Find the images that repeat one that comes before them and is kept.

    Images are taken in the given order: one that is near a kept image is dropped, any other one is kept. So no two
    kept images are near each other, whatever clusters the hashes form, and memory stays bounded.

    A perceptual hash sees brightness only: the same mug in red and in blue has the same hash. Where that matters, pass
    the colors too. Images are then near only if both agree.

    Args:
        hashes: Shape (n_images,); one 64-bit perceptual hash per image.
        max_distance_bits: Largest Hamming distance that counts as near, 0 to 64.
        colors: Shape (n_images, n_values); what the measure `phash` reads as ``colors``, as bytes.
        max_color_levels: Largest difference of any one value in `colors` that counts as near, 0 to 255.

    Returns:
        For each dropped image, the first kept one that it is near, by row, in ascending order.

    Raises:
        ValueError: If shapes do not match, or a limit is out of range.
    """
    import numpy as np

    if hashes.ndim != 1 or (colors is not None and (colors.ndim != 2 or len(colors) != len(hashes))):
        raise ValueError("hashes must have the shape (n,), colors (n, values)")
    if not 0 <= max_distance_bits <= HASH_BITS or not 0 <= max_color_levels <= 255:
        raise ValueError(f"{max_distance_bits} bits or {max_color_levels} color levels are out of range")
    if colors is None:
        colors = np.zeros((len(hashes), 0), dtype=np.uint8)
    # Equal images share a result: only one of each is searched, so that 10,000 blank ones cost nothing.
    rows = np.concatenate([hashes.astype(">u8").view(np.uint8).reshape(-1, 8), colors], axis=1)
    _, first, group = np.unique(_as_scalars(rows), return_index=True, return_inverse=True)
    search = _Search(hashes.astype(np.uint64), colors, max_distance_bits, max_color_levels)
    search.keep(np.sort(first))
    owner = search.owner
    representative = first[group]
    owner = np.where(owner[representative] >= 0, owner[representative], representative)
    dropped = np.flatnonzero(owner != np.arange(len(hashes)))
    return dict(zip(dropped.tolist(), owner[dropped].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Prints:
    """What images are compared by.

    Attributes:
        hashes: Shape (n_images,); one 64-bit perceptual hash per image.
        colors: Shape (n_images, n_values), 0 to 255.
    """

    hashes: NDArray[np.uint64]
    colors: NDArray[np.uint8]


def first_near(
    new: Prints, known: Prints, max_distance_bits: int, max_color_levels: int, can_be_near: CanBeNear
) -> dict[int, int]:
    """Find for each new image the first known one that it is near.

    Args:
        new: Images to look up; whether they are near each other does not matter.
        known: Images to compare with; they have as many colors per image.
        max_distance_bits: Largest Hamming distance that counts as near.
        max_color_levels: Largest difference of any one color value that counts as near.
        can_be_near: Returns which pairs count, from their rows in `new` and their rows in `known`.

    Returns:
        Rows of `known` by rows of `new`, for those that are near one.
    """
    import numpy as np

    hashes, colors = np.concatenate([new.hashes, known.hashes]), np.concatenate([new.colors, known.colors])
    search = _Search(hashes, colors, max_distance_bits, max_color_levels)
    n_new, n_known = len(new.hashes), len(known.hashes)
    first = np.full(n_new, n_known)
    for row, position in search.near_pairs(np.arange(n_new), np.arange(n_new, n_new + n_known)):
        counts = can_be_near(row, position)
        np.minimum.at(first, row[counts], position[counts])
    is_near = np.flatnonzero(first < n_known)
    return dict(zip(is_near.tolist(), first[is_near].tolist(), strict=True))


def _as_scalars(rows: NDArray[np.uint8]) -> NDArray[np.void]:
    # One opaque value per row: np.unique sorts these much faster than rows with axis=0.
    import numpy as np

    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()


class _Search:
    """Decides which images to keep; `owner` has the kept row that each dropped row is near, and -1 for kept rows."""

    def __init__(
        self, hashes: NDArray[np.uint64], colors: NDArray[np.uint8], max_distance_bits: int, max_color_levels: int
    ) -> None:
        import numpy as np

        self.hashes = hashes
        self.color_columns = np.ascontiguousarray(colors.T, dtype=np.int16)
        self.max_distance_bits = max_distance_bits
        self.max_color_levels = max_color_levels
        self.owner = np.full(len(hashes), -1, dtype=np.intp)

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
        for row, position in self.near_pairs(later, kept_before):
            np.minimum.at(earliest, row, position)
        is_near = earliest < len(kept_before)
        self.owner[later[is_near]] = kept_before[earliest[is_near]]
        return np.concatenate([kept_before, self.keep(later[~is_near])])

    def _few_pairs(self, rows: Rows) -> tuple[Rows, Rows] | None:
        """Return all near pairs among rows, sorted; None where there are too many to hold."""
        import numpy as np

        found, n_found, n_compared = [np.zeros((2, 0), dtype=np.intp)], 0, 0
        for one, other in near_pairs(self.hashes[rows], None, self.max_distance_bits):
            first, second = self._of_near_color(rows, rows, np.minimum(one, other), np.maximum(one, other))
            found.append(np.stack([first, second]))
            n_found += len(first)
            n_compared += len(one)
            if n_found > max(MOST_PAIRS_OF_FEW_ROWS, HELD_PAIRS_PER_ROW * len(rows)):
                return None
            if n_compared > max(MOST_PAIRS_OF_FEW_ROWS, COLOR_PAIRS_PER_ROW * len(rows)):
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

    def near_pairs(self, rows: Rows, kept: Rows) -> Iterator[tuple[Rows, Rows]]:
        """Yield all near pairs as positions in `rows` and in `kept`."""
        for row, position in near_pairs(self.hashes[rows], self.hashes[kept], self.max_distance_bits):
            yield self._of_near_color(rows, kept, row, position)

    def _of_near_color(self, rows: Rows, kept: Rows, row: Rows, position: Rows) -> tuple[Rows, Rows]:
        import numpy as np

        for column in self.color_columns:  # one by one: the first few leave almost nothing to compare
            if not len(row):
                break
            is_near = np.abs(column[rows[row]] - column[kept[position]]) <= self.max_color_levels
            row, position = row[is_near], position[is_near]
        return row, position
