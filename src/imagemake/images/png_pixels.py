"""Makes the one color that a PNG file declares as transparent fit the pixels that Pillow decodes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

    from imagemake.images.png import Png


def load_png(opened: ImageFile, png: Png) -> Image:
    """Decode the pixels of an opened PNG file.

    Pillow scales pixels of 1, 2, 4, and 16 bits to 8, but not that color. Of 16-bit colors it keeps the upper bytes,
    so that near colors would be transparent too.
    """
    if png.color_key is None:
        return opened
    if opened.mode == "RGB" and png.bits == 16:
        return _by_sixteen_bits(opened, png.data, png.color_key)
    scale = 255 // ((1 << png.bits) - 1) or 1
    key = tuple(channel * scale for channel in png.color_key)
    opened.info["transparency"] = key if len(key) > 1 else key[0]
    return opened


def _by_sixteen_bits(opened: ImageFile, data: bytes, key: tuple[int, ...]) -> Image:
    import numpy as np
    from PIL import Image as Pillow

    del opened.info["transparency"]
    opened.load()
    with Pillow.open(BytesIO(data), formats=("PNG",)) as lower:
        # The bytes are in the other order for this decoder, so that it keeps the lower one.
        lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
        is_key = (np.asarray(lower) == [channel & 255 for channel in key]).all(axis=2)
    is_key &= (np.asarray(opened) == [channel >> 8 for channel in key]).all(axis=2)
    image = opened.copy()
    image.putalpha(Pillow.fromarray(np.where(is_key, 0, 255).astype(np.uint8)))
    return image
