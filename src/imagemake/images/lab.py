"""Conversion from sRGB to CIE L*a*b* (D65), where distances are close to perceived color differences."""

from __future__ import annotations

from functools import cache
from math import hypot
from typing import TYPE_CHECKING

from imagemake.images.color_words import RGB

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Lab = tuple[float, float, float]
_WHITE_X, _WHITE_Z = 0.950456, 1.088754  # as in OpenCV, so that pixels and color words convert alike
_EDGE = (6 / 29) ** 3


def lab_pixels(image: Image) -> NDArray[np.float32]:
    """Convert an RGB image: shape (height_px, width_px, 3); L from 0 to 100."""
    import cv2
    import numpy as np

    return np.asarray(cv2.cvtColor(np.asarray(image, dtype=np.float32) / 255, cv2.COLOR_RGB2Lab), dtype=np.float32)


def lab_of(color: RGB) -> Lab:
    """Convert one color without importing a library, because verdicts do it a million times."""
    red, green, blue = (_linear()[channel] for channel in color)
    x = _root((0.412453 * red + 0.357580 * green + 0.180423 * blue) / _WHITE_X)
    y = _root(0.212671 * red + 0.715160 * green + 0.072169 * blue)
    z = _root((0.019334 * red + 0.119193 * green + 0.950227 * blue) / _WHITE_Z)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one: Lab, other: Lab) -> float:
    """Return the CIE 1976 color difference: 2 is just visible, 10 is obvious, black and white differ by 100."""
    return hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2])


@cache
def _linear() -> tuple[float, ...]:
    shares = [level / 255 for level in range(256)]
    return tuple(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)


def _root(value: float) -> float:
    return value ** (1 / 3) if value > _EDGE else value * (29 / 6) ** 2 / 3 + 4 / 29
