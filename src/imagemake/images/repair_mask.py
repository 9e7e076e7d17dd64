"""Where a repair may change an image: boxes, and the PNG that providers get.

The store keeps the boxes, and the PNG is made anew for each call: compressors of other versions write other bytes, and
the digest of the mask is in a key that was paid for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from math import ceil, floor
from typing import NamedTuple, Self

import orjson

from imagemake.core.recipe import canonical_json

MASK_EXTENSION = "mask"  # in the store
# Boxes are widened to steps, of which a side has so many: on other machines, networks find a thing a little elsewhere.
STEPS = 64
MARGIN = 1  # steps around each box: letters have soft edges and shadows


class Box(NamedTuple):
    """A part of an image, as shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


BoxPx = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class RepairMask:
    """The parts of an image that a repair may change.

    Attributes:
        image: SHA-256 of the image.
        reasons: Codes of the reasons why it is repaired.
        size_px: Width and height of the image.
        boxes_px: The parts, in pixels.
    """

    image: str
    reasons: tuple[str, ...]
    size_px: tuple[int, int]
    boxes_px: tuple[BoxPx, ...]

    @classmethod
    def around(cls, image: str, reasons: Iterable[str], size_px: tuple[int, int], boxes: Iterable[Box]) -> Self:
        """Return the mask of these boxes and a margin around each."""
        width_px, height_px = size_px

        def start(share: float, side_px: int) -> int:
            return max(0, (floor(share * STEPS) - MARGIN) * side_px // STEPS)

        def end(share: float, side_px: int) -> int:
            return min(side_px, -(-(ceil(share * STEPS) + MARGIN) * side_px // STEPS))

        found = {
            (start(box.left, width_px), start(box.top, height_px), end(box.right, width_px), end(box.bottom, height_px))
            for box in boxes
        }
        return cls(image, tuple(reasons), size_px, tuple(sorted(found)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `as_bytes` returned."""
        read = orjson.loads(data)
        boxes_px = tuple((left, top, right, bottom) for left, top, right, bottom in read["boxes_px"])
        width_px, height_px = read["size_px"]
        return cls(read["image"], tuple(read["reasons"]), (width_px, height_px), boxes_px)

    def as_bytes(self) -> bytes:
        """Return the mask as the store keeps it: equal masks are equal bytes."""
        return canonical_json(
            {
                "image": self.image,
                "reasons": self.reasons,
                "size_px": self.size_px,
                "boxes_px": self.boxes_px,
            }
        )

    @property
    def digest(self) -> str:
        """SHA-256 of what the store keeps."""
        return hashlib.sha256(self.as_bytes()).hexdigest()

    def png(self) -> bytes:
        """Return a PNG of the image's size that is transparent where the image may change."""
        from PIL import Image

        mask = Image.new("RGBA", self.size_px, (255, 255, 255, 255))
        for box_px in self.boxes_px:
            mask.paste((0, 0, 0, 0), box_px)
        file = BytesIO()
        mask.save(file, "PNG", compress_level=1)
        return file.getvalue()
