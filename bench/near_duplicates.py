"""Measures the search for near-duplicates among 10,000, 100,000, and a million hashes: time, memory, and exactness.

Run ``python bench/near_duplicates.py``; each figure comes from its own process. The hashes are random: evenly spread,
with one in ten a near copy of another, or in clusters of about 100 around one hash, like images of one product. The
answer is checked by comparing all pairs at 10,000, and for 300 random images above that.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from imagemake.stages.validate.near_duplicates import near_duplicates_of_earlier

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = (10_000, 100_000, 1_000_000)
KINDS = ("spread", "copies", "clusters")
SAMPLE = 300


def hashes_of(kind: str, n: int) -> NDArray[np.uint64]:
    """Return random hashes."""
    random = np.random.default_rng(7)
    hashes = random.integers(0, 2**64, n, dtype=np.uint64)
    if kind == "copies":
        chosen = random.permutation(n)
        copies, originals = chosen[: n // 10], chosen[n // 10 : n // 10 * 2]
        hashes[copies] = flipped(hashes[originals], 2, random)
    if kind == "clusters":
        hashes = flipped(hashes[random.integers(0, n // 100, n)], 3, random)
    return hashes


def flipped(hashes: NDArray[np.uint64], bits: int, random: np.random.Generator) -> NDArray[np.uint64]:
    """Flip some random bits of each hash."""
    for _ in range(bits):
        hashes = hashes ^ (np.uint64(1) << random.integers(0, 64, len(hashes)).astype(np.uint64))
    return hashes


def is_exact(hashes: NDArray[np.uint64], max_distance_bits: int, dropped: dict[int, int]) -> bool:
    """Return whether each dropped row has its first near kept row, and each kept row has none."""
    kept = np.ones(len(hashes), dtype=bool)
    kept[list(dropped)] = False
    rows = range(len(hashes))
    if len(hashes) > SIZES[0]:
        random = np.random.default_rng(8)
        rows = [*random.choice(len(hashes), SAMPLE).tolist(), *random.permutation(list(dropped))[:SAMPLE].tolist()]
    for row in rows:
        near = kept[:row] & (np.bitwise_count(hashes[:row] ^ hashes[row]) <= max_distance_bits)
        if dropped.get(row) != (int(near.argmax()) if near.any() else None):
            return False
    return True


def measure(kind: str, n: int, max_distance_bits: int) -> None:
    """Print one line of the table."""
    hashes = hashes_of(kind, n)
    near_duplicates_of_earlier(hashes[:10], max_distance_bits)  # warms up imports
    start, start_cpu = time.perf_counter(), time.process_time()
    dropped = near_duplicates_of_earlier(hashes, max_distance_bits)
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # includes numpy and the hashes
    exact = "yes" if is_exact(hashes, max_distance_bits, dropped) else "NO"
    figures = f"{n:,} | {wall_s:.2f} | {cpu_s:.2f} | {peak_mb:.0f} | {len(dropped):,} | {exact}"
    print(f"| {kind} | {max_distance_bits} | {figures} |", flush=True)


def main() -> None:
    """Print the table, or one line of it if there are arguments."""
    if len(sys.argv) > 1:
        kind, n, bits = sys.argv[1:]
        measure(kind, int(n), int(bits))
        return
    print(
        "| hashes | bits | n | wall, s | CPU, s | peak, MB | dropped | exact |", "|---" * 8 + "|", sep="\n", flush=True
    )
    for bits in (4, 6):
        for kind in KINDS:
            for n in SIZES:
                subprocess.run([sys.executable, __file__, kind, str(n), str(bits)], check=True)


if __name__ == "__main__":
    main()
