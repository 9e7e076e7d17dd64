"""How grainy an image is where it should be smooth."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi, sqrt
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from imagemake.plugins.measures import Measure, Value
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagemake.images.decoded import DecodedImage

TILE_PX = 32
CLIPPED_LEVELS = 8  # next to black and white, where noise is clipped


class NoiseSettings(PluginSettings):
    """Which part of an image counts as smooth."""

    smoothest_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Share of the image's 32 px tiles that count as smooth: the tiles with the least noise.",
    )


class Noise(Measure):
    """Estimates noise and grain, from the smoothest tiles of the image at full size.

    The estimate is from Immerkær, Fast noise variance estimation, Computer Vision and Image Understanding 64 (1996).
    Its mask ignores flat and evenly sloping luma. Fine texture over the whole image, such as grass, counts as noise.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "deviation_levels": "standard deviation of the luma's noise in levels of 0 to 255: below 1 is clean, above 5 "
        "is clearly grainy; missing if the image is smaller than 32 px or only black and white",
    }
    Settings: ClassVar[type[PluginSettings]] = NoiseSettings
    settings: NoiseSettings

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read the noise."""
        import numpy as np

        if min(image.width_px, image.height_px) < TILE_PX:
            return {}
        deviations = _deviations(image.gray)
        if not len(deviations):
            return {}
        return {"deviation_levels": round(float(np.quantile(deviations, self.settings.smoothest_share)), 3)}


def _deviations(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the estimate of each whole tile that is not clipped."""
    import cv2
    import numpy as np

    rows, columns = gray.shape[0] // TILE_PX, gray.shape[1] // TILE_PX
    whole = np.ascontiguousarray(gray[: rows * TILE_PX, : columns * TILE_PX])
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    answers = np.abs(cv2.filter2D(whole, cv2.CV_16S, mask)).astype(np.float32)
    size = (columns, rows)
    # INTER_AREA by a whole factor is the mean of each tile.
    means = cv2.resize(answers, size, interpolation=cv2.INTER_AREA)
    luma = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    is_clipped = (luma < CLIPPED_LEVELS) | (luma > 255 - CLIPPED_LEVELS)
    return np.asarray(means[~is_clipped] * sqrt(pi / 2) / 6, dtype=np.float32)
