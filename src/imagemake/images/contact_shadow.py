"""Draws a soft shadow on the ground, along the lowest parts of a subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORK_PX = 512  # longest edge at which a soft shadow loses nothing
# Shares of the subject's width.
NEAR = 0.1  # how far around a column its surroundings reach
DROP = 0.04  # how far above its surroundings' lowest part a column still touches the ground
THICKNESS = 0.02
TIGHT_BLUR, WIDE_BLUR, FLAT_BLUR = 0.008, 0.05, 0.015
DEPTH = 0.15  # share of the subject's height, above its lowest part, within which it stands on the ground


def contact_shadow(is_subject: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how dark the ground is, 0 to 1, at the same shape.

    Where the image's edge cuts the subject off, nobody sees what it stands on, so there is no shadow.

    Args:
        is_subject: Shape (height, width).
    """
    import cv2
    import numpy as np

    height, width = is_subject.shape
    scale = min(1.0, WORK_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(is_subject.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
    shadow = _shadow(small) if small.any() else np.zeros(small.shape, np.float32)
    return np.asarray(cv2.resize(shadow, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _shadow(is_subject: NDArray[np.bool_]) -> NDArray[np.float32]:
    import cv2
    import numpy as np

    height = is_subject.shape[0]
    columns = np.flatnonzero(is_subject.any(axis=0))
    wide = int(columns[-1] - columns[0] + 1)
    contacts = _contacts(is_subject, wide)
    thickness = max(1, round(THICKNESS * wide))
    line = np.zeros(is_subject.shape, np.float32)
    for column, row in contacts:
        line[max(0, row - thickness) : min(height, row + thickness // 2 + 1), column] = 1

    def blurred(sideways: float, upward: float) -> Any:
        return cv2.GaussianBlur(line, (0, 0), max(0.5, sideways * wide), sigmaY=max(0.5, upward * wide))

    tight, soft = blurred(TIGHT_BLUR, TIGHT_BLUR), np.minimum(1, 1.5 * blurred(WIDE_BLUR, FLAT_BLUR))
    return np.asarray(1 - (1 - 0.6 * tight) * (1 - 0.7 * soft), dtype=np.float32)


def _contacts(is_subject: NDArray[np.bool_], wide: int) -> list[tuple[int, int]]:
    """Return column and row of each lowest pixel that touches the ground."""
    import numpy as np

    height = is_subject.shape[0]
    rows = np.flatnonzero(is_subject.any(axis=1))
    ground = int(rows[-1]) - DEPTH * (rows[-1] - rows[0] + 1)
    lowest = np.where(is_subject.any(axis=0), height - 1 - is_subject[::-1].argmax(axis=0), -1)
    near = max(1, round(NEAR * wide))
    # A side that cuts off the lower part of the subject hides what it stands on, like the image's lower edge.
    beyond = [height - 1 if is_subject[int(ground) :, side].any() else -1 for side in (0, -1)]
    padded = np.concatenate([np.full(near, beyond[0]), lowest, np.full(near, beyond[1])])
    surrounding = np.lib.stride_tricks.sliding_window_view(padded, 2 * near + 1).max(axis=1)
    touches = (lowest >= ground) & (lowest >= surrounding - max(1, DROP * wide)) & (surrounding < height - 1)
    return [(int(column), int(lowest[column])) for column in np.flatnonzero(touches)]
