"""A fingerprint of how an image looks: the pHash of `imagehash`, without SciPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagehash import ImageHash
    from PIL.Image import Image

SIDE_PX, FREQUENCIES = 32, 8
DECIMALS = 6  # of coefficients: below that, what differs is how a machine rounds


def perceptual_hash(image: Image) -> ImageHash:
    """Return the 64-bit pHash of an image: which of its 8x8 lowest frequencies are above their median.

    `imagehash.phash` takes its cosine transform from SciPy, whose import takes longer than measuring ten images.
    """
    import cv2
    import numpy as np
    from imagehash import ImageHash
    from PIL.Image import Resampling

    pixels = np.asarray(image.convert("L").resize((SIDE_PX, SIDE_PX), Resampling.LANCZOS), dtype=np.float64)
    lowest = cv2.dct(pixels)[:FREQUENCIES, :FREQUENCIES]
    lowest[0] *= np.sqrt(2)  # OpenCV scales both axes' constant part by that less than SciPy
    lowest[:, 0] *= np.sqrt(2)
    lowest = lowest.round(DECIMALS)
    return ImageHash(lowest > np.median(lowest))
