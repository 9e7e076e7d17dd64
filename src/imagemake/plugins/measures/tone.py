"""How light and dark are distributed in an image, and whether it is blank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2, sqrt
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from imagemake.plugins.measures import Measure, Value
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagemake.images.decoded import DecodedImage


class ToneSettings(PluginSettings):
    """What counts as clipped, and as one color."""

    clipped_levels: int = Field(
        default=3,
        ge=0,
        le=64,
        description="Levels of luma (of 256) next to black and to white that also count as clipped.",
    )
    uniform_levels: int = Field(
        default=8,
        ge=0,
        le=64,
        description="Levels (of 256) by which red, green, and blue may each differ and still count as one color.",
    )


class Tone(Measure):
    """Measures contrast, brightness, clipping, entropy, and the share of the most common color.

    All but the last come from the histogram of the luma (ITU-R BT.601) at full size.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "contrast": "RMS contrast (Peli 1990): standard deviation of the luma, where white is 1; 0 to 0.5",
        "mean_luma": "mean luma, 0 (black) to 255 (white)",
        "clipped_shadows_share": "share of the pixels that are black or nearly black, 0 to 1",
        "clipped_highlights_share": "share of the pixels that are white or nearly white, 0 to 1",
        "entropy_bits": "Shannon entropy of the luma in bits per pixel, 0 (one level) to 8",
        "uniform_share": "share of the image, shrunk to 256 px, that has its most common color, 0 to 1; 1 is blank",
    }
    Settings: ClassVar[type[PluginSettings]] = ToneSettings
    settings: ToneSettings

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity."""
        counts = image.luma.histogram()
        mean, deviation = _mean_and_deviation(counts)
        pixels = sum(counts)
        edge = self.settings.clipped_levels + 1
        return {
            "contrast": round(deviation / 255, 6),
            "mean_luma": round(mean, 3),
            "clipped_shadows_share": round(sum(counts[:edge]) / pixels, 6),
            "clipped_highlights_share": round(sum(counts[-edge:]) / pixels, 6),
            "entropy_bits": round(_entropy_bits(counts), 4),
            "uniform_share": round(_uniform_share(image.small, self.settings.uniform_levels), 6),
        }


def _mean_and_deviation(counts: Sequence[int]) -> tuple[float, float]:
    pixels = sum(counts)
    total = sum(level * count for level, count in enumerate(counts))
    squares = sum(level * level * count for level, count in enumerate(counts))
    # Integers up to the root, so that rounding cannot make the variance of a blank image negative.
    return total / pixels, sqrt(pixels * squares - total * total) / pixels


def _entropy_bits(counts: Sequence[int]) -> float:
    pixels = sum(counts)
    return sum(count / pixels * log2(pixels / count) for count in counts if count)


def _uniform_share(small: Image, levels: int) -> float:
    import numpy as np

    # The fullest of the 8-level cells locates the most common color; the mean of its pixels is that color. Counting
    # cells alone would miss a color on the edge between two cells.
    bands = [np.asarray(band).ravel() for band in small.split()]
    red, green, blue = ((band >> 3).astype(np.int32) for band in bands)
    cells = red << 10 | green << 5 | blue
    in_fullest = cells == np.bincount(cells).argmax()
    colors = [band[in_fullest].mean() for band in bands]
    has_color = [(band >= color - levels) & (band <= color + levels) for band, color in zip(bands, colors, strict=True)]
    return float(np.logical_and.reduce(has_color).mean())
