"""Makes images so small that a contact sheet can hold thousands of them."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from imagemake.images.decoded import MOST_PIXELS, decode_image

if TYPE_CHECKING:
    from PIL.Image import Image

LONG_EDGE_PX = 192
MOST_BYTES = 6_000
QUALITIES = (65, 50, 35, 20)  # tried in turn: drawings and products need the first, grass needs the last
BACKGROUND = "#ffffff"


def thumbnail(image: Image) -> bytes:
    """Shrink an image to a JPEG of at most 192 px and about 6 KB, without ever enlarging it.

    Args:
        image: RGB or RGBA; transparent pixels become white.
    """
    from PIL import Image as Pillow

    if image.mode == "RGBA":
        flat = Pillow.new("RGB", image.size, BACKGROUND)
        flat.paste(image, mask=image)
        image = flat
    small = _shrunk(image)
    data = b""
    for quality in QUALITIES:
        file = BytesIO()
        small.save(file, "JPEG", quality=quality, optimize=True)
        data = file.getvalue()
        if len(data) <= MOST_BYTES:
            break
    return data


def thumbnail_of(data: bytes, *, most_pixels: int = MOST_PIXELS) -> bytes:
    """Shrink an image file; see `thumbnail`.

    Args:
        data: The file.
        most_pixels: Most pixels to decode; the default is for untrusted files.

    Raises:
        Undecodable: If the data is not an image.
    """
    return thumbnail(decode_image(data, most_pixels=most_pixels, enough_px=LONG_EDGE_PX).pil)


def _shrunk(image: Image) -> Image:
    from PIL.Image import Resampling

    scale = LONG_EDGE_PX / max(image.size)
    if scale >= 1:
        return image
    size_px = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    # First the mean of whole blocks, which is fast; then the small remainder with a good filter.
    factor = max(image.size) // LONG_EDGE_PX
    blocks = image.reduce((min(factor, image.width), min(factor, image.height)))
    return blocks.resize(size_px, Resampling.BICUBIC)
