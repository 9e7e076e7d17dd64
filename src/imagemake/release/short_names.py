"""Names of files by the million, of which eight bytes each stay in memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from imagemake.plan.requests.names import folded
from imagemake.plan.settled.sections import short
from imagemake.release.record import names_in


class ShortNames:
    """A set of names. A wrong answer needs two names with one digest of 64 bits.

    Args:
        names: The first ones.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._digests = array("Q", map(short, names))
        self._is_sorted = False
        self._dropped = set[str]()

    def add_all(self, names: Iterable[str]) -> None:
        """Add names, of which none was dropped."""
        self._digests.extend(map(short, names))
        self._is_sorted = False

    def drop(self, names: Iterable[str]) -> None:
        """Drop some names, as far as they are in the set."""
        self._dropped.update(names)

    def __contains__(self, name: str) -> bool:
        if not self._is_sorted:
            import numpy as np

            np.frombuffer(self._digests, np.uint64).sort()  # in place
            self._is_sorted = True
        digest = short(name)
        place = bisect_left(self._digests, digest)
        return self._digests[place : place + 1] == array("Q", [digest]) and name not in self._dropped


class Spellings:
    """Finds the files of a folder whose names differ from new ones only as some file systems do not tell apart.

    Args:
        folder: The folder, as it is before the new files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names, self._folded = ShortNames(names_in(folder)), ShortNames(map(folded, names_in(folder)))

    def others(self, names: Iterable[str]) -> Iterator[Path]:
        """Yield the files of the folder that would be in the place of files with these names."""
        for name in names:
            if name not in self._names and folded(name) in self._folded and (other := self._spelled.get(folded(name))):
                yield self._folder / other

    @cached_property
    def _spelled(self) -> dict[str, str]:
        return {folded(name): name for name in names_in(self._folder)}
