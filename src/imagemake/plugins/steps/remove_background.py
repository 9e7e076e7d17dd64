"""Replaces the background with transparency, a color, or a color with a soft contact shadow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from imagemake.images.networks.subject_mask import SubjectMask, box_of, without_specks
from imagemake.plugins.steps import Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

SIDE_PX = 320  # the size that the network was trained at
GUIDE_PX = 1024  # longest edge at which the mask is fitted to the edges in the image
RADIUS_SHARE = 1 / 100  # of the longer edge, within which the mask follows the image
EPSILON = 1e-4  # squared levels of 0 to 1 that count as an edge
SURE_BACKGROUND, SURE_SUBJECT = 0.15, 0.85
SHADOW_HEIGHT_SHARE, SHADOW_BLUR_SHARE = 0.05, 0.02  # of the subject's width


class RemoveBackgroundSettings(BaseModel):
    """What replaces the background."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    color: str = Field(
        default="transparent",
        pattern=r"^(#[0-9a-fA-F]{6}|transparent)$",
        description="New background: transparent, or a color such as #ffffff.",
    )
    shadow: float = Field(
        default=0.0, ge=0, le=1, description="Darkness of a soft shadow below the subject, 0 (none) to 1."
    )

    @model_validator(mode="after")
    def _shadow_on_something(self) -> RemoveBackgroundSettings:
        if self.shadow and self.color == "transparent":
            raise ValueError("a shadow needs a background color")
        return self


class RemoveBackground(Step):
    """Keeps the subject, using the network of the measure `subject`; thin hair and glass are only approximate."""

    version: ClassVar[int] = 1
    Settings: ClassVar[type[BaseModel]] = RemoveBackgroundSettings
    settings: RemoveBackgroundSettings

    def __init__(self, settings: RemoveBackgroundSettings) -> None:
        super().__init__(settings)
        self._mask = SubjectMask(SIDE_PX)

    def apply(self, image: Image) -> Image:
        """Replace the background.

        Raises:
            ValueError: If there is no subject.
        """
        from PIL import Image as Pillow

        rgb = image.convert("RGB")
        mask = self._mask.of(rgb)
        is_subject, parts = without_specks(mask > 0.5)
        if not parts:
            raise ValueError("the image has no clear subject, so its background is unknown")
        alpha = Pillow.fromarray(_fitted(mask, rgb))
        if image.mode == "RGBA":  # transparent pixels stay transparent
            alpha = Pillow.fromarray(_smaller(alpha, image.getchannel("A")))
        if self.settings.color == "transparent":
            rgb.putalpha(alpha)
            return rgb
        area = Pillow.new("RGB", image.size, self.settings.color)
        if self.settings.shadow:
            area.paste((0, 0, 0), mask=_shadow(box_of(is_subject), image.size, self.settings.shadow))
        area.paste(rgb, mask=alpha)
        return area


def _fitted(mask: NDArray[np.float32], image: Image) -> NDArray[np.uint8]:
    """Return the mask at the image's size, 0 to 255, with its edges fitted to those of the image.

    Source: K. He, J. Sun, X. Tang, "Guided image filtering", ECCV 2010, with the image's brightness as guide.
    """
    import cv2
    import numpy as np

    scale = min(1.0, GUIDE_PX / max(image.size))
    size_px = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    gray = np.asarray(image.convert("L").resize(size_px), dtype=np.float32) / 255
    rough = cv2.resize(mask, size_px, interpolation=cv2.INTER_LINEAR)
    window = (2 * max(1, round(RADIUS_SHARE * max(size_px))) + 1,) * 2

    def mean(values: Any) -> Any:
        return cv2.blur(values, window)

    mean_gray, mean_rough = mean(gray), mean(rough)
    slope = (mean(gray * rough) - mean_gray * mean_rough) / (mean(gray * gray) - mean_gray**2 + EPSILON)
    fitted = mean(slope) * gray + mean(mean_rough - slope * mean_gray)
    fitted = cv2.resize(fitted, image.size, interpolation=cv2.INTER_LINEAR)
    sure = np.clip((fitted - SURE_BACKGROUND) / (SURE_SUBJECT - SURE_BACKGROUND), 0, 1)
    return np.asarray(np.rint(255 * sure), dtype=np.uint8)


def _smaller(one: Image, other: Image) -> NDArray[np.uint8]:
    import numpy as np

    return np.minimum(np.asarray(one, dtype=np.uint8), np.asarray(other, dtype=np.uint8))


def _shadow(box: tuple[float, float, float, float], size_px: tuple[int, int], darkness: float) -> Image:
    """Return the darkness of each pixel, 0 to 255: a blurred ellipse at the bottom of the subject's box."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFilter

    left, _, right, bottom = (share * side for share, side in zip(box, 2 * size_px, strict=True))
    width = right - left
    half_height = SHADOW_HEIGHT_SHARE * width / 2
    shadow = Pillow.new("L", size_px, 0)
    ellipse = (left + 0.04 * width, bottom - 1.5 * half_height, right - 0.04 * width, bottom + 0.5 * half_height)
    ImageDraw.Draw(shadow).ellipse(ellipse, fill=round(255 * darkness))
    return shadow.filter(ImageFilter.GaussianBlur(SHADOW_BLUR_SHARE * width))
