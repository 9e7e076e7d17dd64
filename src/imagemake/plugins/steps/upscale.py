"""Enlarges images with a super-resolution network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from imagemake.images.networks.super_resolution import SEEN_PX, SuperResolution
from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.steps import Step

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 150_000_000  # 600 MB in Pillow; 3840 x 2160 px enlarged four times has 133 million
MOST_SIDE_PX = 65_500  # libjpeg's own limit


class UpscaleSettings(PluginSettings):
    """The factor."""

    factor: Literal[2, 4] = Field(
        default=2,
        description="How many times wider and higher, 2 or 4. It takes about 5 s per input megapixel on one core. For "
        "an exact size, add a resize after it.",
    )


class Upscale(Step):
    """Makes an image two or four times wider and higher, with a network for photographs.

    The network is SPAN. It restores edges and textures that a filter leaves soft, and adds no objects. Where its output
    is unreliable, as on noise or patterns of single pixels, a Lanczos filter replaces it. The filter always
    enlarges transparency.
    """

    version: ClassVar[int] = 1
    packages: ClassVar[Mapping[str, str]] = {"onnxruntime": "onnxruntime"}
    actions: ClassVar[tuple[str, ...]] = ("c2pa.resized", "c2pa.enhanced")
    Settings: ClassVar[type[PluginSettings]] = UpscaleSettings

    def __init__(self, settings: UpscaleSettings) -> None:
        super().__init__(settings)
        self._network = SuperResolution(settings.factor)

    def apply(self, image: Image) -> Image:
        """Enlarge the image.

        Raises:
            ValueError: If the result would be too large.
        """
        from PIL.Image import Resampling

        width_px, height_px = (side * self._network.factor for side in image.size)
        if width_px * height_px > MOST_PIXELS or max(width_px, height_px) > MOST_SIDE_PX:
            raise ValueError(
                f"the result of {width_px} x {height_px} px has more than {MOST_PIXELS:,} pixels, "
                f"or a side over {MOST_SIDE_PX:,} px"
            )
        if image.mode != "RGBA":
            return self._network.of(image)
        larger = self._network.of(_filled(image))
        larger.putalpha(image.getchannel("A").resize((width_px, height_px), Resampling.LANCZOS))
        return larger


def _filled(image: Image) -> Image:
    """Return the colors, extended from visible to transparent pixels, because the network sees both."""
    import cv2
    import numpy as np
    from PIL import Image as Pillow

    pixels = np.asarray(image, dtype=np.float32)
    colors, alpha = pixels[:, :, :3], pixels[:, :, 3:]
    window = (2 * SEEN_PX + 1,) * 2
    visible: Any = cv2.blur(alpha, window)[:, :, None]
    carried = cv2.blur(colors * alpha, window) / np.maximum(visible, 1e-6)
    return Pillow.fromarray(np.rint(np.where(alpha > 0, colors, np.clip(carried, 0, 255))).astype(np.uint8))
