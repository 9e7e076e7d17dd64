"""The subject of an image on a coarse grid, which is small enough to keep for each image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imagemake.images.repair_mask import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE = 32  # fields in a row


def fields_of(is_subject: NDArray[np.bool_]) -> str:
    """Return which fields the subject touches, row by row, as hexadecimal digits.

    Args:
        is_subject: The mask, at least `SIDE` fields high and wide.
    """
    import cv2
    import numpy as np

    shares = cv2.resize(is_subject.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.packbits(shares > 0).tobytes().hex()


def boxes_of_subject(fields: str) -> Iterator[Box]:
    """Yield boxes that cover the subject."""
    yield from _boxes(_rows(fields))


def boxes_around_subject(fields: str) -> Iterator[Box]:
    """Yield boxes that cover what is at least one field away from the subject."""
    near = _rows(fields)
    near = [row | row << 1 | row >> 1 for row in near]
    near = [above | row | below for above, row, below in zip([0, *near], near, [*near[1:], 0], strict=False)]
    yield from _boxes([~row & (1 << SIDE) - 1 for row in near])


def _rows(fields: str) -> list[int]:
    """Return each row as an integer whose highest bit is the field on the left."""
    digits = SIDE // 4
    return [int(fields[start : start + digits], 16) for start in range(0, SIDE * digits, digits)]


def _boxes(rows: list[int]) -> Iterator[Box]:
    """Yield a box for each run of fields in a row."""
    for top, row in enumerate(rows):
        bits = f"{row:0{SIDE}b}"[-SIDE:]
        left = 0
        while (left := bits.find("1", left)) >= 0:
            right = bits.find("0", left)
            right = SIDE if right < 0 else right
            yield Box(left / SIDE, top / SIDE, right / SIDE, (top + 1) / SIDE)
            left = right
