"""Measures the search for near-duplicates among 10,000, 100,000, and a million hashes: time, memory, and exactness.

Run ``python bench/near_duplicates.py``; each figure comes from its own process. Hashes and colors are random:

- spread: evenly spread.
- catalog: products before white, 20 images each, which share most bits of their hashes and come in four colors.
- one color: evenly spread hashes, but all images have the same colors, so that these tell nothing apart.

The answer is checked by comparing all pairs at 10,000, and for 300 random images above that, mirror images left out.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from imagemake.stages.validate.near_duplicates import near_duplicates_of_earlier
from imagemake.stages.validate.prints import COLOR_VALUES, Alike, Prints

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = (10_000, 100_000, 1_000_000)
KINDS = ("spread", "catalog", "one color")
WAYS = (Alike(4, 6), Alike(10, 16), Alike(10, 16, flips=True))
SAMPLE = 300
COVERED = np.array([0.1, 0.4, 0.1, 0.45, 0.95, 0.45, 0.1, 0.4, 0.1])  # share of each field that a product covers


def prints_of(kind: str, n: int) -> Prints:
    """Return random hashes and colors."""
    random = np.random.default_rng(7)
    hashes = random.integers(0, 2**64, n, dtype=np.uint64)
    if kind == "spread":
        return Prints(hashes, random.integers(0, 256, (n, COLOR_VALUES), dtype=np.uint8))
    if kind == "one color":
        return Prints(hashes, np.full((n, COLOR_VALUES), 200, dtype=np.uint8))
    products = n // 20
    product = random.integers(0, products, n)
    covered = np.clip(COVERED * random.uniform(0.3, 1.1, (products, len(COVERED))), 0, 1)[product, :, np.newaxis]
    color = random.integers(10, 250, (4 * products, 3))[4 * product + random.integers(0, 4, n), np.newaxis]
    grid = 255 * (1 - covered) + covered * color + random.normal(0, 2, (n, len(COVERED), 3))
    return Prints(flipped(hashes[product], 12, random), np.clip(grid, 0, 255).astype(np.uint8).reshape(n, -1))


def flipped(hashes: NDArray[np.uint64], bits: int, random: np.random.Generator) -> NDArray[np.uint64]:
    """Flip some random bits of each hash."""
    for _ in range(bits):
        hashes = hashes ^ (np.uint64(1) << random.integers(0, 64, len(hashes)).astype(np.uint64))
    return hashes


def is_exact(prints: Prints, alike: Alike, dropped: dict[int, int]) -> bool:
    """Return whether each dropped row has its first near kept row, and each kept row has none."""
    kept = np.ones(len(prints), dtype=bool)
    kept[list(dropped)] = False
    rows = range(len(prints))
    if len(prints) > SIZES[0]:
        random = np.random.default_rng(8)
        rows = [*random.choice(len(prints), SAMPLE).tolist(), *random.permutation(list(dropped))[:SAMPLE].tolist()]
    for row in rows:
        earlier = np.flatnonzero(kept[:row])
        one = prints.of(slice(row, row + 1))
        near = earlier[alike.holds(prints.of(earlier), one)]
        if dropped.get(row) != (int(near[0]) if len(near) else None):
            return False
    return True


def measure(kind: str, n: int, alike: Alike) -> None:
    """Print one line of the table."""
    prints = prints_of(kind, n)
    near_duplicates_of_earlier(prints.of(slice(0, 10)), alike)  # warms up imports
    start_s = time.process_time()
    dropped = near_duplicates_of_earlier(prints, alike)
    cpu_s = time.process_time() - start_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # includes numpy and the prints
    exact = "not checked" if alike.flips else "yes" if is_exact(prints, alike, dropped) else "NO"
    limits = f"{alike.max_distance_bits} bits, {alike.max_color_levels} levels{', flips' if alike.flips else ''}"
    print(f"| {kind} | {limits} | {n:,} | {cpu_s:.2f} | {peak_mb:.0f} | {len(dropped):,} | {exact} |", flush=True)


def main() -> None:
    """Print the table, or one line of it if there are arguments."""
    if len(sys.argv) > 1:
        kind, n, way = sys.argv[1:]
        measure(kind, int(n), WAYS[int(way)])
        return
    print("| prints | limits | n | CPU, s | peak, MB | dropped | exact |", "|---" * 7 + "|", sep="\n", flush=True)
    for way in range(len(WAYS)):
        for kind in KINDS:
            for n in SIZES:
                subprocess.run([sys.executable, __file__, kind, str(n), str(way)], check=True)


if __name__ == "__main__":
    main()
