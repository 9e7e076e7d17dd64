"""An image as it is sent to a model: no larger than the model reads."""

from __future__ import annotations

import base64
from io import BytesIO

from imagemake.images.decoded import decode_image
from imagemake.images.formats import format_of

AS_IT_IS = ("png", "jpeg", "webp")  # formats that models read
MOST_BYTES_AS_IT_IS = 1_000_000
JPEG_QUALITY = 90


def sent_image(data: bytes, edge_px: int) -> bytes:
    """Return an image file whose longest edge has at most so many pixels.

    A small file stays as it is. Otherwise it becomes a JPEG, or a PNG where pixels are transparent.

    Raises:
        Undecodable: If the data is not an image.
    """
    image = decode_image(data)
    pixels = image.pil
    fits = max(pixels.size) <= edge_px
    if fits and image.format in AS_IT_IS and len(data) <= MOST_BYTES_AS_IT_IS:
        return data
    if not fits:
        from PIL.Image import Resampling

        scale = edge_px / max(pixels.size)
        size = (max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale)))
        pixels = pixels.resize(size, Resampling.BICUBIC, reducing_gap=2.0)
    file = BytesIO()
    if pixels.mode == "RGBA":
        pixels.save(file, "PNG", compress_level=1)
    else:
        pixels.convert("RGB").save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def data_url(image: bytes) -> str:
    """Return an image file as a URL with its content."""
    return f"data:image/{format_of(image)};base64,{base64.b64encode(image).decode()}"
