"""Fingerprints for finding images that look alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from imagemake.plugins.measures import Measure, Value

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage

GRID_FIELDS = 3  # odd, so that a small product in the middle has a field of its own


class PHash(Measure):
    """Computes what near-duplicates are found by: a perceptual hash, and a coarse grid of colors.

    The hash is the 64-bit pHash of `imagehash`: which of the lowest 8x8 coefficients of a DCT of the luma are above
    their median. The image is shrunk to 256 px first, which takes a quarter of the time. The hash ignores color: a red
    and a blue mug of the same shape have the same hash. The grid of colors tells them apart.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "hash": "64-bit perceptual hash as 16 hexadecimal digits; images that differ in few bits look alike",
        "colors": "mean red, green, and blue (0 to 255) of a grid of 3 x 3 fields, row by row, as 54 hex digits",
    }

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read both quantities."""
        from PIL.Image import Resampling

        from imagemake.images.perceptual_hash import perceptual_hash

        grid = image.small.resize((GRID_FIELDS, GRID_FIELDS), Resampling.BOX)
        return {"hash": str(perceptual_hash(image.small)), "colors": grid.tobytes().hex()}
