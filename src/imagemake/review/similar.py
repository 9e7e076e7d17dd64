"""Finds near-duplicates of an image when it is shown, regardless of verdicts and decisions."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from imagemake.config.similarity import NearDuplicates
from imagemake.plan.across import phash_of
from imagemake.plan.state import State
from imagemake.stages.validate.prints import Alike, Prints


class Fingerprints:
    """Perceptual hashes and colors of all current images.

    Args:
        states: State of each request, looked at once. An image is identified by its place among them.
    """

    def __init__(self, states: Iterable[State]) -> None:
        self._indices = array("I")
        self._prints = Prints.from_digits(self._digits(states))

    def _digits(self, states: Iterable[State]) -> Iterator[tuple[str, str]]:
        for index, state in enumerate(states):
            if digits := phash_of(state):
                self._indices.append(index)
                yield digits

    def near(self, index: int, limits: NearDuplicates) -> Iterator[int]:
        """Yield the indices of an image's near-duplicates, nearest first."""
        row = bisect_left(self._indices, index)
        if row == len(self._indices) or self._indices[row] != index:
            return
        for other in Alike.by(limits).nearest_to(self._prints.of(slice(row, row + 1)), self._prints):
            if other != row:
                yield self._indices[other]
