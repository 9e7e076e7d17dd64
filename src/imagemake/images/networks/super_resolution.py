"""Enlarges images with SPAN (48 channels, Wan et al. 2023, arXiv 2311.12770), in tiles to limit memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from imagemake.images.networks import WEIGHTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

TILE_PX = 320
# How far the network sees around a pixel: 21 convolutions of 3 x 3 in sequence.
SEEN_PX = 21
# Where products of its features add up, the network exceeds the valid range by thousands of levels: on a checkerboard
# of single pixels, on coarse noise, and on a spoon in one of 23 photographs. Everywhere else in these, it exceeds the
# range of the neighboring pixels by at most 172 levels.
MOST_BEYOND_LEVELS = 192
NEAR_PX, SOFT_PX = 6, 4  # around a doubtful pixel, the network is not used; then it fades in again
HALO_PX = SEEN_PX + NEAR_PX + SOFT_PX + 1


class SuperResolution:
    """Enlarges images; loaded once per job.

    Args:
        factor: How many times wider and higher.
    """

    def __init__(self, factor: Literal[2, 4]) -> None:
        import cv2
        import onnxruntime

        cv2.setNumThreads(1)  # jobs run in parallel, one per core
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        self.factor = factor
        # Always on the CPU, so that every machine gives the same result.
        self._session = onnxruntime.InferenceSession(
            str(WEIGHTS / f"span-x{factor}.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def of(self, image: Image, tile_px: int = TILE_PX) -> Image:
        """Return the enlarged image.

        Args:
            image: RGB, of any size.
            tile_px: Longest side of a tile; it does not change the result.
        """
        import numpy as np
        from PIL import Image as Pillow

        larger = Pillow.new("RGB", (image.width * self.factor, image.height * self.factor))
        for left, right in _spans(image.width, tile_px):
            for top, bottom in _spans(image.height, tile_px):
                seen = (
                    max(0, left - HALO_PX),
                    max(0, top - HALO_PX),
                    min(image.width, right + HALO_PX),
                    min(image.height, bottom + HALO_PX),
                )
                tile = self._tile(image.crop(seen))
                x, y = (left - seen[0]) * self.factor, (top - seen[1]) * self.factor
                wide, high = (right - left) * self.factor, (bottom - top) * self.factor
                part = np.ascontiguousarray(tile[y : y + high, x : x + wide])
                larger.paste(Pillow.fromarray(part), (left * self.factor, top * self.factor))
        return larger

    def _tile(self, image: Image) -> NDArray[np.uint8]:
        import numpy as np
        from PIL.Image import Resampling

        pixels = np.asarray(image, dtype=np.float32)
        blob = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None] / np.float32(255))
        made: NDArray[Any] = self._session.run(None, {self._input: blob})[0][0].transpose(1, 2, 0) * np.float32(255)
        doubt = _doubt(pixels, made, self.factor)
        made = np.clip(made, 0, 255)
        if doubt.any():
            size_px = image.width * self.factor, image.height * self.factor
            plain = np.asarray(image.resize(size_px, Resampling.LANCZOS), dtype=np.float32)
            share = doubt.repeat(self.factor, axis=0).repeat(self.factor, axis=1)[:, :, None]
            made = made + share * (plain - made)
        return np.asarray(np.rint(made), dtype=np.uint8)


def _doubt(pixels: NDArray[Any], made: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return how unreliable the network is around each pixel of the small image, 0 to 1."""
    import cv2
    import numpy as np

    height, width, _ = pixels.shape
    blocks = made.reshape(height, factor, width, factor, 3)
    around = np.ones((3, 3), np.uint8)
    above = blocks.max(axis=(1, 3)) - cv2.dilate(pixels, around)
    below = cv2.erode(pixels, around) - blocks.min(axis=(1, 3))
    # Negated, so that NaN counts as doubtful too.
    is_doubtful = ~(np.maximum(above, below).max(axis=2) <= MOST_BEYOND_LEVELS)
    if not is_doubtful.any():
        return np.zeros((height, width), np.float32)
    near = cv2.dilate(is_doubtful.astype(np.float32), np.ones((2 * (NEAR_PX + SOFT_PX) + 1,) * 2, np.uint8))
    return np.asarray(cv2.blur(near, (2 * SOFT_PX + 1,) * 2), dtype=np.float32)


def _spans(length_px: int, most_px: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of even parts of a side."""
    parts = -(-length_px // most_px)
    for part in range(parts):
        yield length_px * part // parts, length_px * (part + 1) // parts
