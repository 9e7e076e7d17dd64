"""Edits with a mask: what the mask leaves open is filled from around it, and the rest of the image stays."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from fake_openai.encoding import encode
from fake_openai.studio import Spec

RADIUS_PX = 3


def inpainted(image: bytes, mask: bytes, spec: Spec, comment: str) -> bytes | None:
    """Fill the transparent parts of a mask.

    Args:
        image: The image to edit.
        mask: A PNG of its size.
        spec: Properties of the file.
        comment: ASCII text that makes the file unique.

    Returns:
        The file in base64; None where the mask leaves nothing of the image.
    """
    import cv2

    size_px = spec.width_px, spec.height_px
    with Image.open(io.BytesIO(image)) as opened, Image.open(io.BytesIO(mask)) as cut:
        pixels = np.asarray(opened.convert("RGB").resize(size_px))
        is_open = np.asarray(cut.getchannel("A").resize(size_px)) == 0
    if is_open.all():
        return None
    filled = cv2.inpaint(pixels, is_open.astype(np.uint8), RADIUS_PX, cv2.INPAINT_TELEA)
    return base64.b64encode(encode(filled, spec.output_format, spec.compression, comment))
