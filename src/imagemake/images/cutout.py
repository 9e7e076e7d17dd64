"""Turns the rough mask of a subject into a cut-out: opacities that follow the image, and colors without background."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

WORK_PX = 1024  # longest edge at which opacities are fitted
# Radii, as shares of the longer edge, within which opacity is fitted to the image, one pass after the other. Before a
# plain background, wide windows find thin parts that the mask misses; before others they lose some. bench/cutouts.py
RADII, RADII_BEFORE_PLAIN = (0.01,), (0.08, 0.03, 0.01)
PLAIN_LEVELS = 1.5  # median spread of the background's colors near the subject, of 255
PLAIN_PX = 256  # longest edge at which that is looked at: grain does not count
EPSILON = 1e-5  # squared levels of 0 to 1 that count as an edge
SURE_BACKGROUND, SURE_SUBJECT = 0.15, 0.85
TILE_PX = 1024  # colors are estimated in tiles of this side, to limit memory
FAR_SHARE, NEAR_PX = 0.06, 4  # windows around a pixel in which colors of subject and background are looked for


def fitted(mask: NDArray[np.float32], image: Image) -> NDArray[np.float32]:
    """Return opacities, 0 to 1, at the image's size, whose edges are those of the image.

    Source: K. He, J. Sun, X. Tang, "Guided image filtering", ECCV 2010, with the image's colors as guide.

    Args:
        mask: How much each field belongs to the subject, 0 to 1, at any size.
        image: RGB.
    """
    import cv2
    import numpy as np
    from PIL.Image import Resampling

    scale = min(1.0, WORK_PX / max(image.size))
    size_px = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image if size_px == image.size else image.resize(size_px, Resampling.BOX)
    guide = np.asarray(small, dtype=np.float32) / 255
    now = cv2.resize(mask, size_px, interpolation=cv2.INTER_LINEAR)
    slopes, offset = guide, now
    for radius in RADII_BEFORE_PLAIN if _is_before_plain(guide, now) else RADII:
        slopes, offset = _lines(guide, now, max(1, round(radius * max(size_px))))
        now = _sure((slopes * guide).sum(axis=2) + offset)
    if size_px == image.size:
        return np.asarray(now, dtype=np.float32)
    # The lines vary slowly, so they are enlarged without loss, and applied to every pixel of the image.
    whole = np.asarray(image, dtype=np.float32) / 255
    opacity: Any = cv2.resize(offset, image.size, interpolation=cv2.INTER_LINEAR)
    for channel in range(3):
        opacity += cv2.resize(slopes[:, :, channel], image.size, interpolation=cv2.INTER_LINEAR) * whole[:, :, channel]
    return np.asarray(_sure(opacity), dtype=np.float32)


def _is_before_plain(guide: Any, mask: Any) -> bool:
    """Return whether the background near the subject has one color, or changes it only slowly."""
    import cv2
    import numpy as np

    longest = max(mask.shape)
    scale = min(1.0, PLAIN_PX / longest)
    size_px = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    colors, rough = (cv2.resize(one, size_px, interpolation=cv2.INTER_AREA) for one in (guide, mask))
    window = (2 * max(1, round(0.04 * max(size_px))) + 1,) * 2
    around = np.ones((2 * round(0.08 * max(size_px)) + 1,) * 2, np.uint8)
    is_background = (rough < 0.05).astype(np.float32)
    share = cv2.blur(is_background, window)
    seen = (is_background > 0) & (share > 0.05) & (cv2.dilate((rough > 0.3).astype(np.uint8), around) > 0)
    if not seen.any():
        return False
    weight = np.maximum(share, 1e-3)
    mean = cv2.blur(colors * is_background[:, :, None], window) / weight[:, :, None]
    squares = cv2.blur((colors**2).sum(axis=2) * is_background, window) / weight
    spread = np.sqrt(np.maximum(0, squares - (mean**2).sum(axis=2)))
    return bool(255 * np.median(spread[seen]) <= PLAIN_LEVELS)


def _lines(guide: Any, mask: Any, radius_px: int) -> tuple[Any, Any]:
    """Return slopes and offset of the line from colors to opacity around each pixel."""
    import cv2
    import numpy as np

    def mean(values: Any) -> Any:
        return cv2.blur(values, (2 * radius_px + 1,) * 2)

    mean_guide, mean_mask = mean(guide), mean(mask)
    with_mask = mean(guide * mask[:, :, None]) - mean_guide * mean_mask[:, :, None]
    spread = np.empty((*mask.shape, 3, 3), np.float32)
    for one in range(3):
        for other in range(one, 3):
            both = mean(guide[:, :, one] * guide[:, :, other]) - mean_guide[:, :, one] * mean_guide[:, :, other]
            spread[:, :, one, other] = spread[:, :, other, one] = both
    spread += EPSILON * np.eye(3, dtype=np.float32)
    slopes = np.linalg.solve(spread, with_mask[:, :, :, None])[:, :, :, 0]
    return mean(slopes), mean(mean_mask - (slopes * mean_guide).sum(axis=2))


def _sure(opacity: Any) -> Any:
    import numpy as np

    return np.clip((opacity - SURE_BACKGROUND) / (SURE_SUBJECT - SURE_BACKGROUND), 0, 1)


def connected(opacity: NDArray[np.float32], is_subject: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the opacities without what is connected to no part of the subject.

    Args:
        opacity: Shape (height, width), 0 to 1.
        is_subject: The subject in the mask, of any shape.
    """
    import cv2
    import numpy as np

    height, width = opacity.shape
    there = cv2.resize(is_subject.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    _, pieces = cv2.connectedComponents((opacity > 0).astype(np.uint8), connectivity=8)
    is_kept = np.zeros(pieces.max() + 1, np.bool_)
    is_kept[pieces[there]] = True
    is_kept[0] = False
    return np.where(is_kept[pieces], opacity, np.float32(0))


def subject_colors(image: Image, opacity: NDArray[np.float32]) -> Image:
    """Return the image with the background taken out of the colors of half-transparent pixels: no halo stays.

    Source: M. Forte, "Approximate fast foreground colour estimation", ICIP 2021, with squared weights, so that surer
    pixels count more.

    Args:
        image: RGB.
        opacity: 0 to 1, at the image's size.
    """
    import numpy as np
    from PIL import Image as Pillow

    far_px = max(NEAR_PX, round(FAR_SHARE / 2 * max(image.size)))
    changed = image.copy()
    for left, top, right, bottom in _tiles(image.size):
        halo = max(0, left - far_px), max(0, top - far_px), right + far_px, bottom + far_px
        seen = halo[0], halo[1], min(image.width, halo[2]), min(image.height, halo[3])
        alpha = opacity[seen[1] : seen[3], seen[0] : seen[2]]
        inner = slice(top - seen[1], bottom - seen[1]), slice(left - seen[0], right - seen[0])
        is_mixed = (alpha[inner] > 0) & (alpha[inner] < 1)
        if not is_mixed.any():
            continue
        pixels = np.asarray(image.crop(seen), dtype=np.float32)
        subject, background = _estimated(pixels, alpha[:, :, None], pixels, pixels, 2 * far_px)
        subject, _ = _estimated(pixels, alpha[:, :, None], subject, background, NEAR_PX)
        found = np.where(is_mixed[:, :, None], np.rint(np.clip(subject[inner], 0, 255)), pixels[inner])
        changed.paste(Pillow.fromarray(found.astype(np.uint8)), (left, top))
    return changed


def _estimated(pixels: Any, alpha: Any, subject: Any, background: Any, window_px: int) -> tuple[Any, Any]:
    """Return the colors of subject and background around each pixel."""
    import cv2

    def mean(values: Any) -> Any:
        return cv2.blur(values, (window_px, window_px)).reshape(*values.shape)

    near_subject = mean(subject * alpha**2) / (mean(alpha**2) + 1e-5)
    near_background = mean(background * (1 - alpha) ** 2) / (mean((1 - alpha) ** 2) + 1e-5)
    rest = pixels - alpha * near_subject - (1 - alpha) * near_background
    return near_subject + alpha * rest, near_background


def _tiles(size_px: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    for top in range(0, size_px[1], TILE_PX):
        for left in range(0, size_px[0], TILE_PX):
            yield left, top, min(left + TILE_PX, size_px[0]), min(top + TILE_PX, size_px[1])
