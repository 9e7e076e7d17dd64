"""All near pairs among many perceptual hashes, exactly.

Cut the 64 bits into `max_distance_bits` + k blocks: two hashes within that many bits agree in at least k whole blocks.
So for every choice of k blocks, sort the hashes by these blocks and compare only those that agree in them. More blocks
mean more sorts, but fewer pairs that agree by chance. Where no choice of blocks leaves out enough pairs, all of them
are compared.

Source: Manku, Jain, Das Sarma, Detecting near-duplicates for web crawling, WWW (2007), without their stored tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations, pairwise
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Rows = NDArray[np.intp]

HASH_BITS = 64
MOST_SORTS = 400
PAIRS_AT_ONCE = 1 << 17  # fits into the cache of a core
# Measured on one core, in nanoseconds. They decide about speed only, never about the answer.
SORT_NS = 150.0  # per hash and sort
CANDIDATE_NS = 15.0  # per pair that agrees in its blocks
PAIR_NS = 1.3  # per pair, when all pairs are compared


def near_pairs(hashes: Hashes, others: Hashes | None, max_distance_bits: int) -> Iterator[tuple[Rows, Rows]]:
    """Yield all pairs of hashes that differ in few bits: each once, in any order, a bounded number at a time.

    Args:
        hashes: Shape (n,).
        others: Shape (m,); what `hashes` are compared with. None compares them with each other.
        max_distance_bits: Largest Hamming distance of a pair.

    Yields:
        Rows of `hashes`, and for each its row of `others`.
    """
    n, m = len(hashes), 0 if others is None else len(others)
    if others is not None and n < m:  # the fewer are sorted
        yield from ((row, other) for other, row in near_pairs(others, hashes, max_distance_bits))
        return
    n_pairs = n * (n - 1) / 2 if others is None else n * m
    masks = _cheapest_masks(n + m, n_pairs, max_distance_bits)
    most_candidates = n_pairs * PAIR_NS / CANDIDATE_NS
    for number, mask in enumerate(masks):
        agreeing = _Agreeing(hashes, others, mask)
        most_candidates -= agreeing.n_pairs
        if most_candidates < 0:  # clusters: the same hashes agree in every choice of blocks
            yield from _compare_all(hashes, others, max_distance_bits, seen=masks[:number])
            return
        yield from agreeing.near(max_distance_bits, seen=masks[:number])
    if not masks:
        yield from _compare_all(hashes, others, max_distance_bits, seen=())


class _Agreeing:
    """Pairs of hashes that agree in the bits of a mask."""

    def __init__(self, hashes: Hashes, others: Hashes | None, mask: int) -> None:
        import numpy as np

        bits = np.uint64(mask)
        compared = hashes if others is None else others
        self._order = np.argsort(compared & bits)
        self._sorted = compared[self._order]
        keys = self._sorted & bits
        last = np.flatnonzero(np.append(keys[1:] != keys[:-1], True))
        ends = np.repeat(last + 1, np.diff(last, prepend=-1))  # for each place, the one behind the last equal key
        if others is None:
            self._rows, self._hashes = self._order, self._sorted
            self._begin, self._end = np.arange(1, len(keys) + 1), ends
        else:
            self._rows, self._hashes = np.arange(len(hashes)), hashes
            wanted = hashes & bits
            self._begin = np.searchsorted(keys, wanted)
            found = np.minimum(self._begin, len(keys) - 1)
            self._end = np.where(keys[found] == wanted, ends[found], self._begin)
        self.n_pairs = float((self._end - self._begin).sum())

    def near(self, max_distance_bits: int, seen: Sequence[int]) -> Iterator[tuple[Rows, Rows]]:
        """Yield the near ones, without those that agree in a mask that was seen before."""
        import numpy as np

        left = np.flatnonzero(self._begin < self._end)
        place = self._begin[left]
        while len(left):
            differing = self._hashes[left] ^ self._sorted[place]
            near = _near(differing, max_distance_bits, seen)
            yield self._rows[left[near]], self._order[place[near]]
            place += 1
            has_more = place < self._end[left]
            left, place = left[has_more], place[has_more]


def _compare_all(
    hashes: Hashes, others: Hashes | None, max_distance_bits: int, seen: Sequence[int]
) -> Iterator[tuple[Rows, Rows]]:
    import numpy as np

    rows_at_once = max(1, PAIRS_AT_ONCE // max(1, len(hashes if others is None else others)))
    for begin in range(0, len(hashes), rows_at_once):
        some = hashes[begin : begin + rows_at_once, np.newaxis]
        first = begin if others is None else 0
        compared = hashes[begin:] if others is None else others
        differing = (some ^ compared).ravel()
        row, place = np.divmod(_near(differing, max_distance_bits, seen), len(compared))
        is_pair = row < place if others is None else slice(None)
        yield row[is_pair] + begin, place[is_pair] + first


def _near(differing: Hashes, max_distance_bits: int, seen: Sequence[int]) -> Rows:
    import numpy as np

    near = np.flatnonzero(np.bitwise_count(differing) <= max_distance_bits)
    for mask in seen:
        near = near[differing[near] & np.uint64(mask) != 0]
    return near


def search_ns(n_hashes: float, n_pairs: float, max_distance_bits: int) -> float:
    """Return about how long a search takes if hashes are spread evenly, in nanoseconds of one core.

    Args:
        n_hashes: Number of hashes in both sets.
        n_pairs: Number of pairs to decide about.
        max_distance_bits: Largest Hamming distance of a pair.
    """
    return _cheapest(n_hashes, n_pairs, max_distance_bits)[0]


def _cheapest_masks(n_hashes: int, n_pairs: float, max_distance_bits: int) -> tuple[int, ...]:
    """Return the masks that take the least time if hashes are spread evenly; none where comparing all is faster."""
    _, blocks = _cheapest(n_hashes, n_pairs, max_distance_bits)
    return _masks(blocks, blocks - max_distance_bits) if blocks else ()


def _cheapest(n_hashes: float, n_pairs: float, max_distance_bits: int) -> tuple[float, int]:
    best_ns, best_blocks = n_pairs * PAIR_NS, 0
    for blocks, sorts, agreeing_bits in _choices(max_distance_bits):
        cost_ns = sorts * (SORT_NS * n_hashes + CANDIDATE_NS * n_pairs / 2**agreeing_bits)
        if cost_ns < best_ns:
            best_ns, best_blocks = cost_ns, blocks
    return best_ns, best_blocks


@cache
def _choices(max_distance_bits: int) -> list[tuple[int, int, int]]:
    """Return each number of blocks that may be worth it, with its sorts and the least number of agreeing bits."""
    numbers = range(max_distance_bits + 1, HASH_BITS + 1)
    choices = ((n, comb(n, max_distance_bits), (n - max_distance_bits) * HASH_BITS // n) for n in numbers)
    return [choice for choice in choices if choice[1] <= MOST_SORTS]


@cache
def _masks(blocks: int, chosen: int) -> tuple[int, ...]:
    """Return the masks that keep some of a number of blocks, one for each choice."""
    edges = [HASH_BITS * block // blocks for block in range(blocks + 1)]
    parts = [(1 << high) - (1 << low) for low, high in pairwise(edges)]
    return tuple(sum(some) for some in combinations(parts, chosen))
