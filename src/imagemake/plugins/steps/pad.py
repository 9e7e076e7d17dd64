"""Pads an image to a ratio or a size."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.steps import Step
from imagemake.plugins.steps.crop import Gravity, Ratio, place

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_SIDE_PX = 10_000
MOST_PIXELS = 100_000_000  # 300 MB decoded; padding a strip of 1 x 20,000 px to a square would need four times as much


class PadSettings(PluginSettings):
    """The ratio or the size to pad to, and the color."""

    ratio: Ratio | None = Field(
        default=None, description="Ratio of width to height, such as 1:1. Pads to the smallest such area."
    )
    width_px: int | None = Field(default=None, ge=1, le=MOST_SIDE_PX, description="Width to pad to, in pixels.")
    height_px: int | None = Field(default=None, ge=1, le=MOST_SIDE_PX, description="Height to pad to, in pixels.")
    color: str = Field(
        default="#ffffff",
        pattern=r"^(#[0-9a-fA-F]{6}|transparent)$",
        description="Color around the image and under its transparent parts, such as #ffffff, or transparent.",
    )
    gravity: Gravity = Field(default="center", description="Where to put the image.")

    @model_validator(mode="after")
    def _one_way(self) -> PadSettings:
        sides = (self.width_px, self.height_px)
        if (self.ratio is None) == (sides == (None, None)):
            raise ValueError("pad needs either a ratio, or width_px and height_px")
        if self.ratio is None and None in sides:
            raise ValueError("pad needs both width_px and height_px")
        return self


class Pad(Step):
    """Adds space around an image, to a ratio or a size."""

    version: ClassVar[int] = 1
    Settings: ClassVar[type[PluginSettings]] = PadSettings
    settings: PadSettings

    def apply(self, image: Image) -> Image:
        """Pad the image.

        Raises:
            ValueError: If the image is larger than the size, or the area would be too large.
        """
        from PIL import Image as Pillow

        size_px = self._size_px(image.size)
        if image.width > size_px[0] or image.height > size_px[1]:
            raise ValueError(
                f"the image of {image.width} x {image.height} px is larger than {size_px[0]} x {size_px[1]} px; "
                "resize it first"
            )
        if size_px[0] * size_px[1] > MOST_PIXELS:
            raise ValueError(f"the result of {size_px[0]} x {size_px[1]} px has more than {MOST_PIXELS:,} pixels")
        at = place(size_px, image.size, self.settings.gravity)
        if self.settings.color == "transparent":
            area = Pillow.new("RGBA", size_px, (0, 0, 0, 0))
            area.paste(image, at)
        else:
            area = Pillow.new("RGB", size_px, self.settings.color)
            area.paste(image, at, mask=image if image.mode == "RGBA" else None)
        return area

    def _size_px(self, size_px: tuple[int, int]) -> tuple[int, int]:
        if self.settings.ratio is None:
            assert self.settings.width_px is not None and self.settings.height_px is not None
            return self.settings.width_px, self.settings.height_px
        width_px, height_px = size_px
        wide, high = (int(side) for side in self.settings.ratio.split(":"))
        # Rounded up, because one pixel less would crop the image.
        return max(width_px, -(-height_px * wide // high)), max(height_px, -(-width_px * high // wide))
