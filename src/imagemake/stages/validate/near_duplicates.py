"""Finding images that look like an earlier one, exactly, among hundreds of thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from imagemake.stages.validate.sorted_pairs import NotFasterError, near_pairs_by_sorting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]
    Pairs = Callable[[Rows, Rows], NDArray[np.bool_]]

HASH_BITS = 64

_QUARTER_BITS = 16
_QUARTER_VALUES = 1 << _QUARTER_BITS
_SMALLEST_SPLIT = 256
_MOST_FLIPPED_BITS = 2  # 137 keys to look up a quarter; with 3 bits it is 697, and comparing everything is faster
_PAIRS_AT_ONCE = 1 << 17  # what stays in a core's own cache
# Measured on one core, in nanoseconds. They decide about speed only, never about the answer.
_PAIR_NS = 1.3  # to compare one pair
_TABLES_NS, _LOOKUP_ALL_NS, _LOOKUP_NS = 2e6, 3e4, 2.0  # to set up, to look up with one flip, each key of that
_CANDIDATE_NS = 30.0  # to compare one pair that was looked up
_MOST_PAIRS_A_ROW = 4  # near pairs to hold at once; clusters have more, and are halved first


def near_duplicates_of_earlier(
    hashes: NDArray[np.uint64],
    max_distance_bits: int,
    *,
    colors: NDArray[np.uint8] | None = None,
    max_color_levels: int = 0,
) -> dict[int, int]:
    """Find the images that repeat one that comes before them and is kept.

    Goes through the images in the given order: one that is near an image kept so far is dropped, any other is kept.
    So whoever stays is near nobody else who stays, whatever clusters the hashes form, and memory stays bounded.

    A perceptual hash sees brightness only: the same mug in red and in blue has the same hash. Where that matters, give
    the colors too; images are then near only if both agree.

    Args:
        hashes: Shape (n_images,); one 64-bit perceptual hash per image.
        max_distance_bits: Largest Hamming distance that counts as near, 0 to 64.
        colors: Shape (n_images, n_values); what `measures.phash` reads as ``colors``, as bytes.
        max_color_levels: Largest difference of any one value in `colors` that counts as near, 0 to 255.

    Returns:
        For each dropped image, the first of the kept ones that it is near to, by row, in ascending order.

    Raises:
        ValueError: If shapes do not fit, or a limit is out of range.
    """
    import numpy as np

    if hashes.ndim != 1 or (colors is not None and (colors.ndim != 2 or len(colors) != len(hashes))):
        raise ValueError("hashes must have the shape (n,), colors (n, values)")
    if not 0 <= max_distance_bits <= HASH_BITS or not 0 <= max_color_levels <= 255:
        raise ValueError(f"{max_distance_bits} bits or {max_color_levels} color levels are out of range")
    if colors is None:
        colors = np.zeros((len(hashes), 0), dtype=np.uint8)
    # Equal images share their fate: one of each goes through the search, so that 10,000 blank ones cost nothing.
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
    new: Prints, known: Prints, max_distance_bits: int, max_color_levels: int, may_be: Pairs
) -> dict[int, int]:
    """Find for each new image the first known one that it is near to.

    Args:
        new: Images that may be near a known one, or each other, which is nothing.
        known: With as many colors per image.
        max_distance_bits: Largest Hamming distance that counts as near.
        max_color_levels: Largest difference of any one color value that counts as near.
        may_be: Says which pairs count, from their rows in `new` and their rows in `known`.

    Returns:
        Rows of `known` by rows of `new`, those that are near one only.
    """
    import numpy as np

    hashes, colors = np.concatenate([new.hashes, known.hashes]), np.concatenate([new.colors, known.colors])
    search = _Search(hashes, colors, max_distance_bits, max_color_levels)
    n_new, n_known = len(new.hashes), len(known.hashes)
    first = np.full(n_new, n_known)
    for row, position in search.near_pairs(np.arange(n_new), np.arange(n_new, n_new + n_known)):
        counts = may_be(row, position)
        np.minimum.at(first, row[counts], position[counts])
    is_near = np.flatnonzero(first < n_known)
    return dict(zip(is_near.tolist(), first[is_near].tolist(), strict=True))


def _as_scalars(rows: NDArray[np.uint8]) -> NDArray[np.void]:
    # One opaque value a row: np.unique sorts these much faster than rows with axis=0.
    import numpy as np

    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()


class _Search:
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
        """Return those of the rows that are kept, and note in `owner` what the others repeat."""
        import numpy as np

        if len(rows) <= _SMALLEST_SPLIT:
            return self._keep_by(rows, self._near_pairs_of_all(rows, rows))
        if (pairs := self._pairs_by_sorting(rows)) is not None:
            return self._keep_by(rows, [pairs])
        middle = len(rows) // 2
        kept_before = self.keep(rows[:middle])
        # Whoever is near a row kept in the first half is dropped by the earliest such row, whatever the second half
        # looks like. The others only have each other left to compare with.
        later = rows[middle:]
        earliest = np.full(len(later), len(kept_before))
        for row, position in self.near_pairs(later, kept_before):
            np.minimum.at(earliest, row, position)
        is_near = earliest < len(kept_before)
        self.owner[later[is_near]] = kept_before[earliest[is_near]]
        return np.concatenate([kept_before, self.keep(later[~is_near])])

    def _keep_by(self, rows: Rows, near_pairs: Iterable[tuple[Rows, Rows]]) -> Rows:
        """Drop rows by all of their near pairs, sorted by the first of each."""
        import numpy as np

        is_dropped = np.zeros(len(rows), dtype=bool)
        for first, second in near_pairs:
            ahead = first < second
            for i, j in zip(first[ahead].tolist(), second[ahead].tolist(), strict=True):
                if not is_dropped[i] and not is_dropped[j]:
                    is_dropped[j] = True
                    self.owner[rows[j]] = rows[i]
        return rows[~is_dropped]

    def _pairs_by_sorting(self, rows: Rows) -> tuple[Rows, Rows] | None:
        """Find all near pairs among rows; None where there are very many, or where sorting is not faster."""
        import numpy as np

        found, n_found = [np.zeros((2, 0), dtype=np.intp)], 0
        most_ns = len(rows) ** 2 / 2 * _PAIR_NS
        try:
            for one, other in near_pairs_by_sorting(self.hashes[rows], self.max_distance_bits, most_ns):
                first, second = self._of_near_color(rows, rows, np.minimum(one, other), np.maximum(one, other))
                found.append(np.stack([first, second]))
                n_found += len(first)
                if n_found > _MOST_PAIRS_A_ROW * len(rows):
                    return None
        except NotFasterError:
            return None
        first, second = np.concatenate(found, axis=1)
        order = np.argsort(first * len(rows) + second)
        return first[order], second[order]

    def near_pairs(self, rows: Rows, kept: Rows) -> Iterator[tuple[Rows, Rows]]:
        """Yield all near pairs as positions in `rows` and in `kept`, some at once."""
        import numpy as np

        if not self._looking_up_is_faster(rows, kept):
            yield from self._near_pairs_of_all(rows, kept)
            return
        # Two hashes within 4 k + 3 bits differ by at most k bits in one of their four quarters. So each row looks up
        # its quarters among those of the kept, with up to k bits flipped.
        flips = _flips(self.max_distance_bits // 4)
        row_quarters = [_quarter(self.hashes[rows], at) for at in range(4)]
        kept_quarters = [_quarter(self.hashes[kept], at) for at in range(4)]
        for row_quarter, kept_quarter in zip(row_quarters, kept_quarters, strict=True):
            for row, position in _found(row_quarter, kept_quarter, flips):
                bits = np.bitwise_count(self.hashes[rows[row]] ^ self.hashes[kept[position]])
                is_near = bits <= self.max_distance_bits
                yield self._of_near_color(rows, kept, row[is_near], position[is_near])

    def _looking_up_is_faster(self, rows: Rows, kept: Rows) -> bool:
        flipped_bits = self.max_distance_bits // 4
        if flipped_bits > _MOST_FLIPPED_BITS:
            return False
        lookups = 4 * len(_flips(flipped_bits))
        compare_all_ns = len(rows) * len(kept) * _PAIR_NS
        look_up_ns = _TABLES_NS + lookups * (_LOOKUP_ALL_NS + len(rows) * _LOOKUP_NS)
        if look_up_ns > compare_all_ns:
            return False
        # Hashes that share a quarter turn up in each other's lookups: how many, the lookups without a flip tell.
        equal = sum(_number_equal(_quarter(self.hashes[rows], at), _quarter(self.hashes[kept], at)) for at in range(4))
        return look_up_ns + equal * lookups / 4 * _CANDIDATE_NS < compare_all_ns

    def _near_pairs_of_all(self, rows: Rows, kept: Rows) -> Iterator[tuple[Rows, Rows]]:
        import numpy as np

        kept_hashes = self.hashes[kept]
        rows_at_once = max(1, _PAIRS_AT_ONCE // max(1, len(kept)))
        for begin in range(0, len(rows), rows_at_once):
            some = self.hashes[rows[begin : begin + rows_at_once], np.newaxis]
            near = np.flatnonzero(np.bitwise_count(some ^ kept_hashes) <= self.max_distance_bits)
            row, position = np.divmod(near, len(kept))
            yield self._of_near_color(rows, kept, row + begin, position)

    def _of_near_color(self, rows: Rows, kept: Rows, row: Rows, position: Rows) -> tuple[Rows, Rows]:
        import numpy as np

        for column in self.color_columns:  # one by one: the first few leave almost nothing to compare
            if not len(row):
                break
            is_near = np.abs(column[rows[row]] - column[kept[position]]) <= self.max_color_levels
            row, position = row[is_near], position[is_near]
        return row, position


def _flips(most_bits: int) -> list[int]:
    return [
        sum(1 << bit for bit in bits)
        for count in range(most_bits + 1)
        for bits in combinations(range(_QUARTER_BITS), count)
    ]


def _quarter(hashes: NDArray[np.uint64], at: int) -> NDArray[np.uint16]:
    # Little-endian, so that quarter 0 holds the lowest bits on every machine.
    return hashes.astype("<u8").view("<u2").reshape(-1, 4)[:, at].copy()


def _number_equal(row_quarter: NDArray[np.uint16], kept_quarter: NDArray[np.uint16]) -> int:
    import numpy as np

    of_rows = np.bincount(row_quarter, minlength=_QUARTER_VALUES)
    return int(of_rows @ np.bincount(kept_quarter, minlength=_QUARTER_VALUES))


def _found(
    row_quarter: NDArray[np.uint16], kept_quarter: NDArray[np.uint16], flips: list[int]
) -> Iterator[tuple[Rows, Rows]]:
    """Yield pairs of positions whose quarters are equal after a flip, a bounded number at once."""
    import numpy as np

    counts = np.bincount(kept_quarter, minlength=_QUARTER_VALUES)
    starts = np.cumsum(counts) - counts
    order = np.argsort(kept_quarter, kind="stable")
    is_there = counts > 0
    for flip in flips:
        keys = row_quarter ^ np.uint16(flip)
        row = np.flatnonzero(is_there[keys])
        keys = keys[row]
        ends = np.cumsum(counts[keys])
        begin = 0
        while begin < len(row):
            done = ends[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, side="right")))
            number = counts[keys[begin:end]]
            within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
            yield np.repeat(row[begin:end], number), order[np.repeat(starts[keys[begin:end]], number) + within]
            begin = end
