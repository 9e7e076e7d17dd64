"""Whether anything in an image is in focus."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from imagemake.plugins.measures import Measure, Value
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagemake.images.decoded import DecodedImage

LEAST_VARIANCE = 1.0  # of luma; below this, the variance is only rounding
# For `focus`. The limits of structure were tuned on the images of bench/measures.py, at several contrasts.
TILES = 8  # per side
RE_BLUR_PX = 0.7  # small, because a strong blur removes much from sharp and from slightly soft edges alike
TOLD_BLUR = 1.9  # times as strong is the blur that `focus` tells of, so that half of it is the limit
SHARPEST_PERCENTILE = 90  # of the tiles: one area in focus is enough, a speck is not
CALMEST_PERCENTILE = 5  # of the tiles: what these contain is grain
# Mean squared gradient of a tile with structure, in squared levels per pixel: a share of the strongest tile's, at least
# above rounding and at most what is structure in any image.
STRUCTURE_SHARE, LEAST_STRUCTURE, SURE_STRUCTURE = 0.3, 0.2, 3.0
SOBEL_GAIN = 8.0  # of cv2.spatialGradient, for a slope of one level per pixel


class SharpnessSettings(PluginSettings):
    """At which scale sharpness is read."""

    long_edge_px: int = Field(
        default=512,
        ge=64,
        le=4096,
        description="Images are shrunk to this long edge in pixels first, so that you can compare values of different "
        "sizes. Smaller images keep their size.",
    )


class Sharpness(Measure):
    """Measures whether anything is in focus: how much a blur weakens the edges, and the variance of the Laplacian.

    `focus` follows Crété-Roffet, Dolmiere, Ladret, Nicolas: The blur effect, SPIE 6492 (2007): a blur
    changes a sharp image a lot and a blurred image little. Here, it compares the energy of gradients per tile, so that
    a subject in focus before a soft background is sharp. It subtracts the energy of the calmest tiles, which is grain.
    The energy of an edge that is s px wide is as 1/s, and a blur of r px makes it sqrt(s^2 + r^2) px wide. So what a
    blur of r px leaves tells s, and s tells what a stronger blur would leave.

    The variance follows Pech-Pacheco, Cristobal, Chamorro-Martinez, Fernandez-Valdivia: Diatom autofocusing in
    brightfield microscopy, ICPR 2000 (LAPV in Pertuz et al. 2013). The kernel has four neighbors; luma goes from
    0 to 255.
    """

    version: ClassVar[int] = 3
    quantities: ClassVar[Mapping[str, str]] = {
        "focus": "share of the edges' energy that a blur of 1.3 px would remove where the image is sharpest, 0 to 1: "
        "above 0.5 something is in focus, below 0.5 nothing is; 0 if there are no edges, missing if the image is blank",
        "laplacian_variance": "variance of the Laplacian of the luma at a fixed scale, from 0 (blurred or blank)",
        "relative_sharpness": "laplacian_variance divided by the variance of the luma, so that pale images compare "
        "with strong ones: below 0.002 nothing is in focus, above 0.02 there are clear edges; missing if the image is "
        "blank",
    }
    Settings: ClassVar[type[PluginSettings]] = SharpnessSettings
    settings: SharpnessSettings

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read all three quantities; an image under 3 px in width or height has none."""
        import numpy as np

        gray = np.asarray(image.luma_shrunk(self.settings.long_edge_px))
        if min(gray.shape) < 3:
            return {}
        sharpness = _laplacian_variance(gray)
        values: dict[str, Value] = {"laplacian_variance": round(sharpness, 3)}
        variance = _variance(gray)
        if variance >= LEAST_VARIANCE:
            values["relative_sharpness"] = round(sharpness / variance, 6)
            values["focus"] = round(_focus(gray), 4)
        return values


def _focus(gray: NDArray[np.uint8]) -> float:
    import numpy as np

    before, after = _energies(gray), _energies(_blurred(gray))
    least = min(max(STRUCTURE_SHARE * float(after.max()), LEAST_STRUCTURE), SURE_STRUCTURE)
    calm = float(np.percentile(after, CALMEST_PERCENTILE))
    if calm <= least:  # otherwise everything has structure, as in a pattern, and no tile shows only grain
        before, after = before - np.percentile(before, CALMEST_PERCENTILE), after - calm
    has_structure = after > least
    if not has_structure.any():
        return 0.0
    left = after[has_structure] / np.maximum(before[has_structure], LEAST_STRUCTURE)
    least_left = min(1.0, float(np.percentile(left, 100 - SHARPEST_PERCENTILE)))
    by_width = (1 / least_left**2 - 1) * TOLD_BLUR**2 if least_left > 0 else math.inf
    return 1 - 1 / math.sqrt(1 + by_width)


def _blurred(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    return np.asarray(cv2.GaussianBlur(gray, (0, 0), RE_BLUR_PX), dtype=np.uint8)


def _energies(gray: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean squared gradient of each tile, in squared levels per pixel."""
    import cv2
    import numpy as np

    slopes = cv2.spatialGradient(gray)  # integers, the same on every machine
    rows, columns = (_edges(side) for side in gray.shape)
    energies = [
        sum(cv2.norm(slope[top:bottom, left:right], cv2.NORM_L2SQR) for slope in slopes)
        / (SOBEL_GAIN**2 * (bottom - top) * (right - left))
        for top, bottom in rows
        for left, right in columns
    ]
    return np.array(energies)


def _edges(side_px: int) -> list[tuple[int, int]]:
    n = min(TILES, side_px)
    cuts = [side_px * place // n for place in range(n + 1)]
    return list(pairwise(cuts))


def _laplacian_variance(gray: NDArray[np.uint8]) -> float:
    import cv2
    import numpy as np

    # Border pixels lack real neighbors, so they are left out.
    return _variance(np.ascontiguousarray(cv2.Laplacian(gray, cv2.CV_16S, ksize=1)[1:-1, 1:-1]))


def _variance(values: NDArray[np.integer]) -> float:
    import cv2

    _, deviation = cv2.meanStdDev(values)  # sums in doubles, ten times faster than numpy
    return float(deviation[0, 0]) ** 2
