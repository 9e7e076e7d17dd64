"""Writes on the card that stands for what the preview provider cannot draw."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from imagemake.images.color_words import RGB

if TYPE_CHECKING:
    import numpy as np
    from cv2.typing import MatLike
    from numpy.typing import NDArray
    from PIL.Image import Image

INK: RGB = (46, 46, 51)
NOTE = "no drawing for"
_WIDTH_PX, _HEIGHT_PX = 640, 416  # of the text before it is laid onto the card
_MARGIN_PX = 36
_SIZES_PX = (96, 80, 66, 54, 44, 36, 28)
_MOST_LINES = 4


def write(pixels: MatLike, corners: NDArray[np.float64], subject: str) -> None:
    """Write a subject onto the face of a card, in perspective.

    Args:
        pixels: The drawing, (height, width, 3 or 4); it is changed.
        corners: Shape (4, 2); the face's corners in pixels, from the lower left, counterclockwise as seen on it.
        subject: What there is no drawing for; may be empty.
    """
    import cv2
    import numpy as np

    height, width = pixels.shape[:2]
    flat = np.array([(0, _HEIGHT_PX), (_WIDTH_PX, _HEIGHT_PX), (_WIDTH_PX, 0), (0, 0)], np.float32)
    lay = cv2.getPerspectiveTransform(flat, corners.astype(np.float32))
    text = np.asarray(_text(subject))
    ink = cv2.warpPerspective(text, lay, (width, height), flags=cv2.INTER_AREA)[..., None].astype(np.float32) / 255
    pixels[..., :3] = np.round(pixels[..., :3] * (1 - ink) + np.array(INK, np.float32) * ink).astype(np.uint8)


def _text(subject: str) -> Image:
    """Draw a note and the subject, as large as fits, white on black."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("L", (_WIDTH_PX, _HEIGHT_PX))
    pen = ImageDraw.Draw(image)
    pen.text((_WIDTH_PX / 2, _MARGIN_PX), NOTE, 140, ImageFont.load_default(30), "ma")
    room_px = _WIDTH_PX - 2 * _MARGIN_PX
    for size_px in _SIZES_PX:
        font = ImageFont.load_default(size_px)
        lines = wrap(subject, max(1, round(room_px / size_px * 1.7)))[:_MOST_LINES]
        is_narrow = all(font.getlength(line) <= room_px for line in lines)
        if is_narrow and len(lines) * size_px * 1.2 <= _HEIGHT_PX - 3 * _MARGIN_PX:
            break
    middle = (_WIDTH_PX / 2, (_HEIGHT_PX + _MARGIN_PX) / 2)
    pen.multiline_text(middle, "\n".join(lines), 255, font, "mm", spacing=size_px * 0.2, align="center")
    return image
