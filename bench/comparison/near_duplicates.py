"""The search for near-duplicates among random hashes, of which a tenth repeat another one with two bits flipped."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from comparison.contestants import PEERS, environment_of_process, python_of
from comparison.processes import Runner

# The largest number of images for each: above, it takes hours.
WAYS = {"ours": 1_000_000, "faiss-multi-hash": 100_000, "faiss-flat": 100_000, "imagededup": 10_000}
SIZES = (10_000, 100_000, 1_000_000)


def measure(way: str, n: int, runner: Runner, root: Path) -> dict[str, Any]:
    """Measure one search, imports included."""
    random = np.random.default_rng(7)
    hashes = random.integers(0, 2**64, n, dtype=np.uint64)
    repeated = np.arange(n - n // 10, n)
    flips = [np.uint64(1) << random.integers(0, 64, len(repeated)).astype(np.uint64) for _ in range(2)]
    hashes[repeated] = hashes[random.integers(0, n - n // 10, len(repeated))] ^ flips[0] ^ flips[1]
    path, log = root / "hashes.npy", root / "log"
    np.save(path, hashes)
    python = python_of("" if way == "ours" else "near_duplicates")
    command = [str(python), str(PEERS / "near_duplicates.py"), way, str(path)]
    used = runner.run(command, log, environment_of_process())
    found = log.read_text().split()[-1:] == [str(len(repeated))]
    return {**asdict(used), "exact": found}
