"""Fingerprints by which images that look alike are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from imagemake.plugins.measures import Measure, Value

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage

GRID_FIELDS = 3  # odd, so that a small product in the middle has a field of its own


class PHash(Measure):
    """Reads the 64-bit perceptual hash of `imagehash`: signs of the lowest 8x8 coefficients of a DCT of the luma.

    It is read from the image shrunk to 256 px, which takes a quarter of the time. The hash knows no colors: a red and
    a blue mug of the same shape have the same one. So a coarse grid of colors goes with it.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "hash": "64-bit perceptual hash as 16 hexadecimal digits; images that differ in few bits look alike",
        "colors": "mean red, green and blue (0 to 255) of a grid of 3 x 3 fields, row by row, as 54 hexadecimal digits",
    }

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read both."""
        import imagehash
        from PIL.Image import Resampling

        grid = image.small.resize((GRID_FIELDS, GRID_FIELDS), Resampling.BOX)
        return {"hash": str(imagehash.phash(image.small)), "colors": grid.tobytes().hex()}
