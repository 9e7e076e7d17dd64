"""How different two images look: by color, by structure, and by perceptual hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.images.lab import lab_pixels
from imagemake.images.perceptual_hash import perceptual_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from imagemake.images.decoded import DecodedImage

    Plane = NDArray[np.floating]

LONG_EDGE_PX = 256
MIDDLE_GRAY = 128
# Wang et al. 2004, section III.C: a Gaussian window of 11 x 11 px and 1.5 px, K1 = 0.01, K2 = 0.03, levels 0 to 255.
_WINDOW_PX, _SIGMA_PX, _C1, _C2 = 11, 1.5, (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True, slots=True)
class Distance:
    """How different two images look.

    Attributes:
        delta_e: Mean CIEDE2000 color difference over all pixels: 0 is equal, 1 is just visible, black to white is 100.
        ssim: Mean structural similarity of brightness: 1 is equal, 0 is unrelated, below 0 is inverted.
        hash_bits: Number of the 64 bits of the perceptual hash that differ: 0 to 4 look alike, 32 is chance.
    """

    delta_e: float
    ssim: float
    hash_bits: int


def distance_between(one: DecodedImage, other: DecodedImage) -> Distance:
    """Compare two images of any sizes; the order does not matter.

    Both are shrunk to at most 256 px per side, never enlarged. If their shapes are equal, the larger one is shrunk to
    the size of the smaller. Otherwise both are centered on a gray canvas, where an area that only one of them covers
    counts as different. Transparent pixels count as middle gray.
    """
    a, b = _on_common_canvas(*_of_one_size(one.shrunk(LONG_EDGE_PX), other.shrunk(LONG_EDGE_PX)))
    bits = perceptual_hash(one.small) - perceptual_hash(other.small)
    return Distance(round(_mean_delta_e(a, b), 3), round(_ssim(a, b), 4), int(bits))


def delta_e_2000(one: Plane, other: Plane) -> Plane:
    """Return the CIEDE2000 difference between colors.

    Source: G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 color-difference formula", Color Research and Application 30,
    2005. The result matches the test pairs of that paper.

    Args:
        one: L*, a*, and b* along the last axis.
        other: Colors of the same shape.
    """
    import numpy as np

    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(lab, -1, 0) for lab in (one, other))
    mean_chroma_7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma_7 / (mean_chroma_7 + 25.0**7))
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a * stretch)) % 360 for a, b in ((a1, b1), (a2, b2)))
    is_gray = c1 * c2 == 0
    turn = np.where(is_gray, 0, (h2 - h1 + 180) % 360 - 180)
    # For opposite hues, the formula takes +180.
    turn = np.where((turn == -180) & (h2 - h1 == 180), 180, turn)
    mean_hue = np.where(is_gray, h1 + h2, (h1 + h2) / 2 + np.where(np.abs(h1 - h2) <= 180, 0, _half_turn(h1 + h2)))
    lightness, chroma, hue = _weights((l1 + l2) / 2, (c1 + c2) / 2, mean_hue)
    dl, dc = (l2 - l1) / lightness, (c2 - c1) / chroma
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2) / hue
    squares = dl**2 + dc**2 + dh**2 + _rotation((c1 + c2) / 2, mean_hue) * dc * dh
    found: Plane = np.sqrt(np.maximum(squares, 0))
    return found


def _half_turn(sum_of_hues: Plane) -> Plane:
    import numpy as np

    return np.where(sum_of_hues < 360, 180, -180)


def _weights(lightness: Plane, chroma: Plane, hue: Plane) -> tuple[Plane, Plane, Plane]:
    import numpy as np

    t = 1 - 0.17 * np.cos(np.radians(hue - 30)) + 0.24 * np.cos(np.radians(2 * hue))
    t += 0.32 * np.cos(np.radians(3 * hue + 6)) - 0.20 * np.cos(np.radians(4 * hue - 63))
    from_middle = (lightness - 50) ** 2
    return 1 + 0.015 * from_middle / np.sqrt(20 + from_middle), 1 + 0.045 * chroma, 1 + 0.015 * chroma * t


def _rotation(chroma: Plane, hue: Plane) -> Plane:
    import numpy as np

    angle = 30 * np.exp(-(((hue - 275) / 25) ** 2))
    found: Plane = -np.sin(np.radians(2 * angle)) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    return found


def _of_one_size(one: Image, other: Image) -> tuple[Image, Image]:
    from PIL.Image import Resampling

    small, large = (one, other) if one.width * one.height <= other.width * other.height else (other, one)
    is_one_shape = abs(small.width / small.height * large.height / large.width - 1) <= 1 / max(1, min(small.size))
    if small.size == large.size or not is_one_shape:
        return one, other
    large = large.resize(small.size, Resampling.BOX)
    return (small, large) if small is one else (large, small)


def _on_common_canvas(one: Image, other: Image) -> tuple[Image, Image]:
    from PIL import Image as Pillow

    size = max(one.width, other.width), max(one.height, other.height)

    def laid(image: Image) -> Image:
        if image.size == size:
            return image
        canvas = Pillow.new("RGB", size, (MIDDLE_GRAY,) * 3)
        canvas.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
        return canvas

    return laid(one), laid(other)


def _mean_delta_e(one: Image, other: Image) -> float:
    return float(delta_e_2000(lab_pixels(one), lab_pixels(other)).mean())


def _ssim(one: Image, other: Image) -> float:
    import cv2
    import numpy as np

    a, b = (np.asarray(image.convert("L"), dtype=np.float32) for image in (one, other))

    def blurred(plane: Plane) -> Plane:
        return np.asarray(cv2.GaussianBlur(plane, (_WINDOW_PX, _WINDOW_PX), _SIGMA_PX), dtype=np.float32)

    mean_a, mean_b = blurred(a), blurred(b)
    variance_a, variance_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    structure = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    return float(((2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1) * structure).mean())
