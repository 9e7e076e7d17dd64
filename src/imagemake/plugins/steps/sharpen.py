"""Sharpens edges, usually as the last step after a resize."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.steps import Step

if TYPE_CHECKING:
    from PIL.Image import Image


class SharpenSettings(PluginSettings):
    """Strength, radius, and threshold."""

    percent: int = Field(
        default=60, ge=1, le=500, description="Strength, in percent of the difference from a blurred copy."
    )
    radius_px: float = Field(default=1.0, gt=0, le=20, description="Radius of the blur in pixels.")
    threshold: int = Field(
        default=2,
        ge=0,
        le=255,
        description="Differences up to this many levels of 0 to 255 count as noise and stay unchanged.",
    )


class Sharpen(Step):
    """Sharpens the colors with an unsharp mask. Transparency stays as it is."""

    version: ClassVar[int] = 1
    Settings: ClassVar[type[PluginSettings]] = SharpenSettings
    settings: SharpenSettings
    actions: ClassVar[tuple[str, ...]] = ("c2pa.enhanced",)

    def apply(self, image: Image) -> Image:
        """Sharpen the image."""
        from PIL import ImageFilter

        settings = self.settings
        mask = ImageFilter.UnsharpMask(settings.radius_px, settings.percent, settings.threshold)
        if image.mode != "RGBA":
            return image.filter(mask)
        sharp = image.convert("RGB").filter(mask)
        sharp.putalpha(image.getchannel("A"))
        return sharp
