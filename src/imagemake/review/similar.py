"""Finds near-duplicates of an image when it is shown, regardless of verdicts and decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imagemake.config.similarity import NearDuplicates
from imagemake.plan.across import phash_of
from imagemake.plan.state import State
from imagemake.stages.validate.prints import Alike, Prints


class Fingerprints:
    """Perceptual hashes and colors of all current images.

    Args:
        states: State of each request. An image is identified by its index in this list.
    """

    def __init__(self, states: Sequence[State]) -> None:
        found = [(index, digits) for index, state in enumerate(states) if (digits := phash_of(state))]
        self._indices = [index for index, _ in found]
        self._rows = {index: row for row, index in enumerate(self._indices)}
        self._prints = Prints.from_digits([digits for _, digits in found])

    def near(self, index: int, limits: NearDuplicates) -> Iterator[int]:
        """Yield the indices of an image's near-duplicates, nearest first."""
        row = self._rows.get(index)
        if row is None:
            return
        for other in Alike.by(limits).nearest_to(self._prints.of(slice(row, row + 1)), self._prints):
            if other != row:
                yield self._indices[other]
