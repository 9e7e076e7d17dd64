"""Format, size, and transparency of an image file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from imagemake.plugins.measures import Measure, Value

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage


class File(Measure):
    """Reads format, size, and transparency."""

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "format": "png, jpeg, webp, or avif",
        "width_px": "width in pixels, after EXIF rotation",
        "height_px": "height in pixels, after EXIF rotation",
        "bytes": "length of the file in bytes",
        "frames": "number of images in the file; more than 1 is an animation",
        "has_alpha": "whether the file can hold transparent pixels",
        "transparent_share": "share of the pixels that are more than half transparent, 0 to 1",
    }

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity."""
        return {
            "format": image.format,
            "width_px": image.width_px,
            "height_px": image.height_px,
            "bytes": image.size_bytes,
            "frames": image.frames,
            "has_alpha": image.has_alpha,
            "transparent_share": round(image.transparent_share, 6),
        }
