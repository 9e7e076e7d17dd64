"""Finds near-duplicates of an image when it is shown, regardless of verdicts and decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imagemake.config.similarity import NearDuplicates
from imagemake.plan.state import State


class Fingerprints:
    """Perceptual hashes and colors of all current images.

    Args:
        states: State of each request. An image is identified by its index in this list.
    """

    def __init__(self, states: Sequence[State]) -> None:
        import numpy as np

        found = [(index, *phash) for index, state in enumerate(states) if (phash := phash_of(state))]
        self._rows = {index: row for row, (index, _, _) in enumerate(found)}
        self._indices = [index for index, _, _ in found]
        self._hashes = np.array([int(digits, 16) for _, digits, _ in found], dtype=np.uint64)
        colors = [list(bytes.fromhex(colors)) for _, _, colors in found]
        self._colors = np.array(colors, dtype=np.int16).reshape(len(found), -1)

    def near(self, index: int, limits: NearDuplicates) -> Iterator[int]:
        """Yield the indices of an image's near-duplicates, nearest first."""
        import numpy as np

        row = self._rows.get(index)
        if row is None:
            return
        bits = np.bitwise_count(self._hashes ^ self._hashes[row])
        levels = np.abs(self._colors - self._colors[row]).max(axis=1, initial=0)
        similar = np.flatnonzero((bits <= limits.max_distance_bits) & (levels <= limits.max_color_levels))
        for other in similar[np.argsort(bits[similar], kind="stable")]:
            if other != row:
                yield self._indices[other]


def phash_of(state: State) -> tuple[str, str] | None:
    """Return hash and colors of a request's current image as hexadecimal digits, or None if they were not measured."""
    for identity, values in state.measured.items():
        if identity.startswith("phash@") and "hash" in values:  # without a hash, the measure failed on this image
            return str(values["hash"]), str(values["colors"])
    return None
