"""Turns images upright by their EXIF data, and by nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION_TAG = 0x0112  # EXIF 2.3, section 4.6.4
_SWAP_SIDES = (5, 6, 7, 8)


def orientation_of(exif: bytes | None) -> int:
    """Return the orientation, 1 to 8; 1 if there is none.

    Unreadable data raises any exception. Pillow's `getexif` also takes an orientation from XMP, which viewers do not.
    """
    from PIL.Image import Exif

    if not exif:
        return 1
    tags = Exif()
    tags.load(exif)
    orientation = tags.get(_ORIENTATION_TAG, 1)
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def swaps_sides(orientation: int) -> bool:
    """Return whether an orientation swaps width and height."""
    return orientation in _SWAP_SIDES


def turned(image: Image, orientation: int) -> Image:
    """Return the image upright."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    return image if turn is None else image.transpose(turn)
