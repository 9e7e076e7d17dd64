"""Masks the subject of an image with U²-Net (small, Qin et al. 2020, arXiv 2005.09007)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagemake.images.networks import Network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

# Means and deviations of ImageNet, with which U²-Net was trained.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LEAST_PART = 0.05  # of the subject: smaller pieces of the mask are specks


class SubjectMask:
    """Finds the subject; loaded once per job.

    Args:
        side_px: Side of the square for detection; a multiple of 32, at most 320.
    """

    def __init__(self, side_px: int) -> None:
        self.side_px = side_px
        self._network = Network("u2netp.onnx")

    def of(self, image: Image) -> NDArray[np.float32]:
        """Return how much each field of the square belongs to the subject, 0 to 1, shape (side_px, side_px).

        Args:
            image: RGB, of any size.
        """
        mask: NDArray[np.float32] = self._network.run(_blob(image, self.side_px))[0][0, 0]
        return mask


def without_specks(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """Return the mask with only its larger pieces, and their number."""
    import cv2
    import numpy as np

    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # the background
    is_part = areas > max(LEAST_PART * areas.sum(), 4)
    return np.asarray(is_part[pieces], dtype=np.bool_), int(is_part.sum())


def box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Return left, top, right, and bottom of the area of a mask, as shares of its sides, 0 to 1.

    Args:
        mask: With at least one field set.
    """
    (top, bottom), (left, right) = (_extent(mask.max(axis=axis)) for axis in (1, 0))
    return left, top, right, bottom


def _extent(is_filled: NDArray[np.bool_]) -> tuple[float, float]:
    """Return where the filled fields begin and end, as shares of the length."""
    filled = is_filled.nonzero()[0]
    return float(filled[0]) / len(is_filled), float(filled[-1] + 1) / len(is_filled)


def _blob(image: Image, side_px: int) -> Any:
    import numpy as np
    from PIL.Image import Resampling

    rgb = np.asarray(image.resize((side_px, side_px), Resampling.BILINEAR), dtype=np.float32)
    scaled = (rgb / max(float(rgb.max()), 1.0) - np.array(MEAN)) / np.array(DEVIATION)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], dtype=np.float32)
