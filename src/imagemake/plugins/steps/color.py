"""Correction of brightness, contrast, and color."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.steps import Step

if TYPE_CHECKING:
    from PIL.Image import Image

BORDER_SHARE = 0.02  # of the longer edge
# The border shows a plain background if this share of its pixels is within these levels of its median.
PLAIN_SHARE, PLAIN_LEVELS = 0.7, 12
LEAST_SPAN_LEVELS = 16  # an image with fewer levels is blank or foggy: stretching it would show only noise


class WhiteBalance(PluginSettings):
    """Removes a color cast with one factor per channel."""

    by: Literal["border", "gray_world"] = Field(
        default="border",
        description="Which part is meant to be neutral. border: the background at the image's edges, 2 % of the "
        "longer edge wide. gray_world: the mean of the whole image, for scenes of many colors; where the border is "
        "plain, as before white, its color counts as with border, so that the subject's color is taken for no cast.",
    )
    strength: float = Field(default=1.0, gt=0, le=1, description="How much of the cast to remove, 0 to 1.")
    most_percent: float = Field(
        default=60.0,
        gt=0,
        le=100,
        description="Largest change of a channel's light, in percent. An image that would need more is colored on "
        "purpose and stays unchanged.",
    )


class ColorSettings(PluginSettings):
    """What to correct, in this order; the defaults change nothing."""

    white_balance: WhiteBalance | None = Field(
        default=None, description="Removes a color cast, before everything else.", examples=[{"by": "border"}]
    )
    auto_levels_clip_percent: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Stretches the levels so that this percentage of the pixels becomes black, and as many white.",
    )
    brightness: float = Field(default=1.0, ge=0.25, le=4, description="Factor on every level; 1 changes nothing.")
    contrast: float = Field(
        default=1.0, ge=0, le=4, description="Factor on the distance from middle gray; 1 changes nothing."
    )
    gamma: float = Field(
        default=1.0,
        ge=0.25,
        le=4,
        description="Above 1 lightens the dark parts, below 1 darkens them; 1 changes nothing.",
    )
    saturation: float = Field(
        default=1.0, ge=0, le=4, description="Factor on the distance from gray; 0 is gray, 1 changes nothing."
    )


class Color(Step):
    """Corrects white balance, levels, brightness, contrast, gamma, and saturation.

    Transparency stays as it is. With v as a level from 0 to 1, one after the other, cut off to 0..1 only at the end:
    levels v' = (v - black) / (white - black), with black and white from the luma of the visible pixels, the same for
    all channels, so that hues stay; brightness v' = b v; contrast v' = 0.5 + c (v - 0.5); gamma v' = v^(1/g).
    Then saturation: v' = luma + s (v - luma), with luma by ITU-R BT.601.
    """

    version: ClassVar[int] = 2
    Settings: ClassVar[type[PluginSettings]] = ColorSettings
    settings: ColorSettings
    came_later: ClassVar[tuple[str, ...]] = ("white_balance",)
    actions: ClassVar[tuple[str, ...]] = ("c2pa.adjustedColor",)

    def apply(self, image: Image) -> Image:
        """Correct the image."""
        from PIL import ImageEnhance

        if self.settings.white_balance is not None:
            image = _balanced(image, self.settings.white_balance)
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


def _balanced(image: Image, settings: WhiteBalance) -> Image:
    """Multiply the light of each channel so that the neutral part becomes gray on average, as bright as before."""
    from PIL import ImageStat

    meant_gray = _meant_gray(image, settings.by)
    if meant_gray.getbbox() is None:  # the whole neutral part is transparent
        return image
    means = ImageStat.Stat(image.convert("RGB"), mask=meant_gray).mean
    if min(means) < LEAST_SPAN_LEVELS:  # too dark to detect a cast
        return image
    light = [_linear(mean) for mean in means]
    target = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]  # luminance of linear sRGB, IEC 61966-2-1
    factors = [target / one for one in light]
    if max(*factors, 1 / min(factors)) > 1 + settings.most_percent / 100:
        return image
    tables = [
        [round(_coded(min(1.0, _linear(level) * (1 + settings.strength * (factor - 1))))) for level in range(256)]
        for factor in factors
    ]
    own = list(range(256)) if image.mode == "RGBA" else []
    return image.point([level for table in tables for level in table] + own)


def _meant_gray(image: Image, by: str) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageChops

    seen = Pillow.new("L", image.size, 255)
    if image.mode == "RGBA":
        seen = image.getchannel("A").point([0] * 128 + [255] * 128)
    border = seen.copy()
    width_px = max(1, round(BORDER_SHARE * max(image.size)))
    inside = (width_px, width_px, max(width_px, image.width - width_px), max(width_px, image.height - width_px))
    border.paste(0, inside)
    if by == "border" or border.getbbox() is None:
        return border if by == "border" else seen
    plain = ImageChops.multiply(border, _near_median(image.convert("RGB"), border))
    is_plain = plain.histogram()[255] >= PLAIN_SHARE * border.histogram()[255]
    return plain if is_plain else seen


def _near_median(image: Image, mask: Image) -> Image:
    """Return 255 where every channel of an RGB image is near its median within a mask, 0 elsewhere."""
    from PIL import ImageChops, ImageStat

    medians = ImageStat.Stat(image, mask=mask).median
    near = [
        channel.point([255 if abs(level - median) <= PLAIN_LEVELS else 0 for level in range(256)])
        for channel, median in zip(image.split(), medians, strict=True)
    ]
    return ImageChops.multiply(ImageChops.multiply(near[0], near[1]), near[2])


def _linear(level: float) -> float:
    """Return the light of a level of 0 to 255, 0 to 1; IEC 61966-2-1."""
    value = level / 255
    return value / 12.92 if value <= 0.04045 else math.pow((value + 0.055) / 1.055, 2.4)


def _coded(light: float) -> float:
    """Return the level of an amount of light."""
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * math.pow(light, 1 / 2.4) - 0.055)


def _first_above(counts: list[int], clipped: float) -> int:
    passed = 0
    for level, count in enumerate(counts):
        passed += count
        if passed > clipped:
            return level
    return len(counts) - 1
