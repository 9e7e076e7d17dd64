"""Which of many images repeat an earlier one, by hashes within 4 bits: imagemake, faiss, and imagededup.

``python near_duplicates.py WAY HASHES.npy`` prints how many repeat one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

MOST_BITS = 4


def ours(hashes: Any) -> int:
    """Search as a release does; all images have the same colors, so that hashes alone decide."""
    import numpy as np

    from imagemake.stages.validate.near_duplicates import near_duplicates_of_earlier
    from imagemake.stages.validate.prints import COLOR_VALUES, Alike, Prints

    colors = np.full((len(hashes), COLOR_VALUES), 200, dtype=np.uint8)
    return len(near_duplicates_of_earlier(Prints(hashes, colors), Alike(MOST_BITS, 6)))


def faiss_flat(hashes: Any) -> int:
    """Compare all with all."""
    import faiss

    return _of_ranges(faiss.IndexBinaryFlat(64), hashes)


def faiss_multi_hash(hashes: Any) -> int:
    """Look up 16 bits at a time with one of them flipped, which finds every pair within 4 bits."""
    import faiss

    index = faiss.IndexBinaryMultiHash(64, 4, 16)
    index.nflip = 1
    return _of_ranges(index, hashes)


def _of_ranges(index: Any, hashes: Any) -> int:
    import numpy as np

    rows = hashes.astype("<u8").view(np.uint8).reshape(-1, 8)
    index.add(rows)
    limits, _, near = index.range_search(rows, MOST_BITS + 1)
    owner = np.repeat(np.arange(len(rows)), np.diff(limits.astype(np.int64)))
    return len(np.unique(owner[near < owner]))


def imagededup(hashes: Any) -> int:
    """Search as ``PHash().find_duplicates`` does by default, in one process."""
    from imagededup.handlers.search.brute_force_cython import BruteForceCython

    names = {str(row): f"{value:016x}" for row, value in enumerate(hashes.tolist())}
    search = BruteForceCython(names, lambda one, other: 0)
    found = ((int(name), search.search(value, MOST_BITS)) for name, value in names.items())
    return sum(any(int(other) < row for other, _ in near) for row, near in found)


WAYS = {"ours": ours, "faiss-flat": faiss_flat, "faiss-multi-hash": faiss_multi_hash, "imagededup": imagededup}


def main() -> None:
    """Print the count."""
    import numpy as np

    print(WAYS[sys.argv[1]](np.load(Path(sys.argv[2]))))


if __name__ == "__main__":
    main()
