"""All pairs of near hashes among many, exactly, by sorting: the way for a million of them.

Cut the 64 bits into `max_distance_bits` + k blocks: two hashes within that many bits agree wholly in at least k blocks.
So for every choice of k blocks, hashes are sorted by them, and those that agree stand side by side. More blocks mean
more sorts, but fewer pairs that agree by chance: Manku, Jain, Das Sarma, Detecting near-duplicates for web crawling,
WWW (2007), without the tables that they keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations, pairwise
from math import comb, inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]

_BITS = 64
_MOST_SORTS = 400
# Measured on one core, in nanoseconds. They decide about speed only, never about the answer.
_SORT_NS, _CANDIDATE_NS = 150.0, 15.0  # a hash in each sort; each pair that agrees in its blocks


class NotFasterError(Exception):
    """Sorting takes longer than was allowed."""


def near_pairs_by_sorting(
    hashes: NDArray[np.uint64], max_distance_bits: int, most_ns: float
) -> Iterator[tuple[Rows, Rows]]:
    """Yield all pairs of hashes that differ in few bits, each once and in no order, some at once.

    Args:
        hashes: Shape (n,).
        max_distance_bits: Largest Hamming distance of a pair.
        most_ns: What it may take, as estimated, in nanoseconds.

    Raises:
        NotFasterError: If it would take longer; what was yielded before may be a part only.
    """
    import numpy as np

    sort_ns = _SORT_NS * len(hashes)
    cost_ns, blocks = _cheapest(len(hashes), max_distance_bits)
    if cost_ns > most_ns:
        raise NotFasterError
    masks = [np.uint64(mask) for mask in _masks(blocks, blocks - max_distance_bits)]
    most_candidates = max(0.0, most_ns - len(masks) * sort_ns) / _CANDIDATE_NS
    for number, mask in enumerate(masks):
        order = np.argsort(hashes & mask)
        in_order = hashes[order]
        ends = _ends_of_runs(in_order & mask)
        most_candidates -= float((ends - np.arange(len(hashes)) - 1).sum())
        if most_candidates < 0:
            raise NotFasterError
        left = np.arange(len(hashes))
        for apart in range(1, len(hashes)):
            left = left[left + apart < ends[left]]
            if not len(left):
                break
            differing = in_order[left] ^ in_order[left + apart]
            near = np.flatnonzero(np.bitwise_count(differing) <= max_distance_bits)
            for earlier in masks[:number]:  # what agrees there too was found there
                near = near[differing[near] & earlier != 0]
            yield order[left[near]], order[left[near] + apart]


def _cheapest(n: int, max_distance_bits: int) -> tuple[float, int]:
    """Return what sorting hashes takes at least if they are spread evenly, and the number of blocks for that."""
    costs = [(inf, 0)]
    for blocks in range(max_distance_bits + 1, _BITS + 1):
        sorts = comb(blocks, max_distance_bits)
        agreeing_bits = (blocks - max_distance_bits) * _BITS // blocks
        if sorts <= _MOST_SORTS:
            costs.append((sorts * (_SORT_NS * n + _CANDIDATE_NS * n**2 / 2**agreeing_bits / 2), blocks))
    return min(costs)


def _ends_of_runs(values: NDArray[np.uint64]) -> Rows:
    """Return for each place in a sorted array the place behind the last equal value."""
    import numpy as np

    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    return np.repeat(last + 1, np.diff(last, prepend=-1))


@cache
def _masks(blocks: int, chosen: int) -> tuple[int, ...]:
    """Return the masks that keep some of a number of blocks, for each choice of them."""
    edges = [_BITS * block // blocks for block in range(blocks + 1)]
    parts = [(1 << high) - (1 << low) for low, high in pairwise(edges)]
    return tuple(sum(some) for some in combinations(parts, chosen))
