"""Light correction of brightness, contrast and color."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST_SPAN_LEVELS = 16  # a picture with fewer levels is blank or fog: stretching it would show nothing but noise


class ColorSettings(BaseModel):
    """What is corrected, in the order in which it is done; the defaults change nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    auto_levels_clip_percent: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Stretch the levels so that this percentage of the pixels becomes black, and as many white.",
    )
    brightness: float = Field(default=1.0, ge=0.25, le=4, description="Factor on every level; 1 changes nothing.")
    contrast: float = Field(
        default=1.0, ge=0, le=4, description="Factor on the distance from middle gray; 1 changes nothing."
    )
    gamma: float = Field(
        default=1.0, ge=0.25, le=4, description="Above 1 lightens the dark parts, below 1 darkens; 1 changes nothing."
    )
    saturation: float = Field(
        default=1.0, ge=0, le=4, description="Factor on the distance from gray; 0 is gray, 1 changes nothing."
    )


class Color:
    """Corrects color; transparency stays as it is.

    With v as a level from 0 to 1, one after the other, cut off to 0..1 only at the end:
    levels v' = (v - black) / (white - black), with black and white from the luma of the visible pixels, the same for
    all channels, so that hues stay; brightness v' = b v; contrast v' = 0.5 + c (v - 0.5); gamma v' = v^(1/g).
    Then saturation: v' = luma + s (v - luma), with luma by ITU-R BT.601.
    """

    version: ClassVar[int] = 1
    Settings: ClassVar[type[BaseModel]] = ColorSettings
    actions: ClassVar[tuple[str, ...]] = ("c2pa.adjustedColor",)

    def __init__(self, settings: BaseModel) -> None:
        assert isinstance(settings, ColorSettings)
        self.settings = settings

    def apply(self, image: Image) -> Image:
        """Correct the picture."""
        from PIL import ImageEnhance

        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        black, white = self._ends(image, alpha)
        table = [self._level(level, black, white) for level in range(256)]
        color = image if alpha is None else image.convert("RGB")
        if table != list(range(256)):
            color = color.point(table * 3)
        if self.settings.saturation != 1:
            color = ImageEnhance.Color(color).enhance(self.settings.saturation)
        if alpha is None or color is image:
            return color
        color.putalpha(alpha)
        return color

    def _ends(self, image: Image, alpha: Image | None) -> tuple[int, int]:
        if self.settings.auto_levels_clip_percent is None:
            return 0, 255
        visible = None if alpha is None else alpha.point([0] * 128 + [255] * 128)
        counts = image.convert("L").histogram(mask=visible)
        clipped = sum(counts) * self.settings.auto_levels_clip_percent / 100
        black, white = _first_above(counts, clipped), 255 - _first_above(counts[::-1], clipped)
        return (black, white) if white - black >= LEAST_SPAN_LEVELS else (0, 255)

    def _level(self, level: int, black: int, white: int) -> int:
        value = (level - black) / (white - black) * self.settings.brightness
        value = 0.5 + self.settings.contrast * (value - 0.5)
        value = math.pow(max(0.0, value), 1 / self.settings.gamma)
        return round(255 * min(1.0, value))


def _first_above(counts: list[int], clipped: float) -> int:
    passed = 0
    for level, count in enumerate(counts):
        passed += count
        if passed > clipped:
            return level
    return len(counts) - 1
