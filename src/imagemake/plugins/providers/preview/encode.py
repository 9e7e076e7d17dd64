"""Encodes a drawing as a file."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from imagemake.plugins.providers.preview.options import Options

if TYPE_CHECKING:
    from PIL.Image import Image


def encode(image: Image, options: Options) -> bytes:
    """Encode a drawing as PNG, JPEG, or WebP, without metadata."""
    settings: dict[str, Any] = {
        # Level 1: flat drawings compress well anyway, and the default takes six times as long.
        "png": {"compress_level": 1},
        "jpeg": {"quality": options.compression},
        "webp": {"quality": options.compression, "method": 0},
    }[options.format]
    with BytesIO() as file:
        image.save(file, options.format, **settings)
        return file.getvalue()
