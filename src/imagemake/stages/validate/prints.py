"""What images are compared by, and all pairs of them that look alike, exactly.

Images are alike if their hashes and all of their colors are near. Where that is faster, they are first divided by one
of their colors: images on both sides of a cut are alike only if both are close to it. So each side is searched by
itself, and beyond that only the two strips along the cut.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.config.similarity import SAME_BITS, SAME_LEVELS, NearDuplicates
from imagemake.stages.validate.near_pairs import near_pairs, search_ns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]

GRID_FIELDS = 3  # per side of the grid of colors
COLOR_VALUES = 3 * GRID_FIELDS**2
# Mirroring an image changes the sign of each coefficient with an odd horizontal frequency, and so every second bit.
MIRRORED_BITS = 0x5555_5555_5555_5555
# They decide about speed only, never about the answer.
SAMPLE = 500  # images that show where to cut
DIVIDING_NS = 150.0  # per image, measured on one core


@dataclass(frozen=True, slots=True)
class Prints:
    """What images are compared by.

    Attributes:
        hashes: Shape (n_images,); one 64-bit perceptual hash per image.
        colors: Shape (n_images, n_values), 0 to 255.
    """

    hashes: NDArray[np.uint64]
    colors: NDArray[np.uint8]

    @classmethod
    def from_digits(cls, digits: Iterable[tuple[str, str]]) -> Prints:
        """Return those of images whose hash and colors are given as hexadecimal digits, as the measure reads them."""
        import numpy as np

        hashes, colors = array("Q"), bytearray()
        for of_hash, of_colors in digits:
            hashes.append(int(of_hash, 16))
            colors += bytes.fromhex(of_colors)
        values = np.frombuffer(colors, dtype=np.uint8).reshape(len(hashes), COLOR_VALUES)
        return cls(np.frombuffer(hashes, dtype=np.uint64), values)

    def __len__(self) -> int:
        return len(self.hashes)

    def of(self, rows: Rows | NDArray[np.bool_] | slice) -> Prints:
        """Return those of some images."""
        return Prints(self.hashes[rows], self.colors[rows])

    def mirrored(self) -> Prints:
        """Return those of the mirrored images; hashes are off by a few bits, because their median moves."""
        import numpy as np

        grid = self.colors.reshape(len(self), GRID_FIELDS, GRID_FIELDS, 3)
        return Prints(self.hashes ^ np.uint64(MIRRORED_BITS), grid[:, :, ::-1].reshape(self.colors.shape))


@dataclass(frozen=True, slots=True)
class Alike:
    """When two images look alike.

    Attributes:
        max_distance_bits: Largest Hamming distance of their hashes, 0 to 64.
        max_color_levels: Largest difference of any one color value, 0 to 255.
        flips: Whether an image and another one's mirror image are alike too. Colors must then be of a 3 x 3 grid.
    """

    max_distance_bits: int
    max_color_levels: int
    flips: bool = False

    @classmethod
    def by(cls, limits: NearDuplicates) -> Alike:
        """Return what a campaign's limits say."""
        return cls(limits.max_distance_bits, limits.max_color_levels, limits.flips)

    def holds(self, prints: Prints, others: Prints) -> NDArray[np.bool_]:
        """Return which images look alike, row by row, mirror images not counted; `others` may be one image."""
        import numpy as np

        near = np.bitwise_count(prints.hashes ^ others.hashes) <= self.max_distance_bits
        levels = np.abs(prints.colors.astype(np.int16) - others.colors).max(axis=1, initial=0)
        found: NDArray[np.bool_] = near & (levels <= self.max_color_levels)
        return found

    def nearest_to(self, one: Prints, prints: Prints) -> Rows:
        """Return the rows of all images that are like one, mirror images included, the nearest hashes first."""
        import numpy as np

        ways = (one, one.mirrored()) if self.flips else (one,)
        like = np.logical_or.reduce([self.holds(prints, way) for way in ways])
        bits = np.minimum.reduce([np.bitwise_count(prints.hashes ^ way.hashes) for way in ways])
        rows = np.flatnonzero(like)
        found: Rows = rows[np.argsort(bits[rows], kind="stable")]
        return found

    def pairs(self, prints: Prints, others: Prints | None) -> Iterator[tuple[Rows, Rows]]:
        """Yield all pairs that look alike, in any order, a bounded number at a time, those of mirror images last.

        Args:
            prints: Of n images.
            others: Of the images that they are compared with. None compares them with each other: each pair once.

        Yields:
            Rows of `prints`, and for each its row of `others`.
        """
        yield from self._unmirrored(_Part.whole(prints), None if others is None else _Part.whole(others))
        if self.flips:
            mirrored = (prints if others is None else others).mirrored()
            for row, place in self._unmirrored(_Part.whole(prints), _Part.whole(mirrored)):
                once = slice(None) if others is not None else row < place
                yield row[once], place[once]

    def _unmirrored(self, part: _Part, other: _Part | None) -> Iterator[tuple[Rows, Rows]]:
        if len(part) == 0 or (other is not None and len(other) == 0):
            return
        cut = self._best_cut(part, other)
        if cut is not None:
            for one, its_other in self._divided(part, other, *cut):
                yield from self._unmirrored(one, its_other)
            return
        compared = part if other is None else other
        others = None if other is None else other.prints.hashes
        for row, place in near_pairs(part.prints.hashes, others, self.max_distance_bits):
            near = self._of_near_color(part.prints, compared.prints, row, place)
            yield part.rows[row[near]], compared.rows[place[near]]

    def _of_near_color(self, prints: Prints, others: Prints, row: Rows, place: Rows) -> Rows:
        import numpy as np

        near = np.arange(len(row))
        for column in range(prints.colors.shape[1]):
            if not len(near):
                break
            levels = prints.colors[row[near], column].astype(np.int16) - others.colors[place[near], column]
            near = near[np.abs(levels) <= self.max_color_levels]
        return near

    def _best_cut(self, part: _Part, other: _Part | None) -> tuple[int, int] | None:
        """Return the column and the level to divide at; None where searching all at once is as fast."""
        import numpy as np

        n, m = len(part), len(part) if other is None else len(other)
        pairs = n * m / (2 if other is None else 1)
        most_ns = search_ns(n + m, pairs, self.max_distance_bits)
        dividing_ns = DIVIDING_NS * (n + m)
        if most_ns < 2 * dividing_ns or not part.prints.colors.shape[1]:
            return None
        some, others = part.sample(), part.sample() if other is None else other.sample()
        cuts = np.unique(np.percentile(some, (25, 50, 75), axis=0).astype(np.int16), axis=0)
        shares = [self._shares(colors, cuts) for colors in (some, others)]
        (left, left_strip, right_strip), (its_left, its_left_strip, its_right_strip) = shares
        remaining = left * its_left + (1 - left) * (1 - its_left)
        remaining += left_strip * its_right_strip + (right_strip * its_left_strip if other is not None else 0)
        cut, column = np.unravel_index(remaining.argmin(), remaining.shape)
        least_ns = search_ns((n + m) / 2, pairs * remaining.min() / 2, self.max_distance_bits) * 2
        return (int(column), int(cuts[cut, column])) if least_ns + dividing_ns < most_ns else None

    def _shares(self, colors: NDArray[np.int16], cuts: NDArray[np.int16]) -> tuple[NDArray[np.float64], ...]:
        """Return the shares of a sample left of each cut, and in the strips to the left and to the right of it."""
        below = colors[:, None] - cuts
        left = below <= 0
        strips = left & (below > -self.max_color_levels), ~left & (below <= self.max_color_levels)
        return tuple(chosen.mean(axis=0) for chosen in (left, *strips))

    def _divided(self, part: _Part, other: _Part | None, column: int, cut: int) -> Iterator[tuple[_Part, _Part | None]]:
        left, right, left_strip, right_strip = part.divided(column, cut, self.max_color_levels)
        if other is None:
            yield from ((left, None), (right, None), (left_strip, right_strip))
            return
        its_left, its_right, its_left_strip, its_right_strip = other.divided(column, cut, self.max_color_levels)
        yield from ((left, its_left), (right, its_right), (left_strip, its_right_strip), (right_strip, its_left_strip))


SAME = Alike(SAME_BITS, SAME_LEVELS)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some images, and their rows among all."""

    rows: Rows
    prints: Prints

    @classmethod
    def whole(cls, prints: Prints) -> _Part:
        import numpy as np

        return cls(np.arange(len(prints)), prints)

    def __len__(self) -> int:
        return len(self.rows)

    def sample(self) -> NDArray[np.int16]:
        import numpy as np

        return self.prints.colors[:: -(-len(self) // SAMPLE)].astype(np.int16)

    def divided(self, column: int, cut: int, levels: int) -> list[_Part]:
        """Return what is up to a level, what is above it, and of both what is close to it."""
        import numpy as np

        below = self.prints.colors[:, column].astype(np.int16) - cut
        left = below <= 0
        chosen = left, ~left, left & (below > -levels), ~left & (below <= levels)
        return [_Part(self.rows[rows], self.prints.of(rows)) for rows in chosen]
