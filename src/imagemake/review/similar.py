"""Which images look nearly the same as one: found when it is shown, whatever became of either."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imagemake.config.similarity import NearDuplicates
from imagemake.plan.state import State


class Fingerprints:
    """Perceptual hashes and colors of all current images, side by side.

    Args:
        states: Where requests stand; an image is named by its place among them.
    """

    def __init__(self, states: Sequence[State]) -> None:
        import numpy as np

        found = [(index, *phash) for index, state in enumerate(states) if (phash := phash_of(state))]
        self._places = {index: place for place, (index, _, _) in enumerate(found)}
        self._indices = [index for index, _, _ in found]
        self._hashes = np.array([int(digits, 16) for _, digits, _ in found], dtype=np.uint64)
        colors = [list(bytes.fromhex(colors)) for _, _, colors in found]
        self._colors = np.array(colors, dtype=np.int16).reshape(len(found), -1)

    def near(self, index: int, limits: NearDuplicates) -> Iterator[int]:
        """Yield the places of images that are nearly the same as one, nearest first."""
        import numpy as np

        place = self._places.get(index)
        if place is None:
            return
        bits = np.bitwise_count(self._hashes ^ self._hashes[place])
        levels = np.abs(self._colors - self._colors[place]).max(axis=1, initial=0)
        alike = np.flatnonzero((bits <= limits.max_distance_bits) & (levels <= limits.max_color_levels))
        for other in alike[np.argsort(bits[alike], kind="stable")]:
            if other != place:
                yield self._indices[other]


def phash_of(state: State) -> tuple[str, str] | None:
    """Return hash and colors of a request's current image, as hexadecimal digits; None where nobody read them."""
    for identity, values in state.measured.items():
        if identity.startswith("phash@") and "hash" in values:  # without one, it failed on this image
            return str(values["hash"]), str(values["colors"])
    return None
