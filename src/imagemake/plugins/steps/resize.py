"""Resizes images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from imagemake.images import lanczos
from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.steps import Step

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_SIDE_PX = 10_000


class ResizeSettings(PluginSettings):
    """The size, and how an image of another shape fits into it."""

    width_px: int | None = Field(default=None, ge=1, le=MOST_SIDE_PX, description="Width in pixels.")
    height_px: int | None = Field(default=None, ge=1, le=MOST_SIDE_PX, description="Height in pixels.")
    megapixels: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="Area in millions of pixels, at the image's own ratio; instead of a width and height.",
    )
    fit: Literal["contain", "cover", "exact"] = Field(
        default="contain",
        description="contain: keeps the whole image, with no side longer than given; you can leave one side out. "
        "cover: exactly this size; crops the rest evenly. exact: exactly this size, distorted if necessary.",
    )
    enlarge: bool = Field(
        default=False,
        description="Whether images may be enlarged. If not, contain leaves small images unchanged, and cover and "
        "exact reject them.",
    )

    @model_validator(mode="after")
    def _enough_is_known(self) -> ResizeSettings:
        if self.megapixels is not None and (self.width_px, self.height_px, self.fit) != (None, None, "contain"):
            raise ValueError("megapixels keeps the ratio: remove width_px, height_px, and fit")
        if self.megapixels is None and self.width_px is None and self.height_px is None:
            raise ValueError("resize needs width_px, height_px, or megapixels")
        if self.fit != "contain" and (self.width_px is None or self.height_px is None):
            raise ValueError(f"fit: {self.fit} needs both width_px and height_px")
        return self


class Resize(Step):
    """Resizes to a width, a height, or an area.

    It uses a Lanczos filter with three lobes. Transparent pixels do not bleed into their neighbors.
    """

    version: ClassVar[int] = 2
    Settings: ClassVar[type[PluginSettings]] = ResizeSettings
    settings: ResizeSettings
    came_later: ClassVar[tuple[str, ...]] = ("megapixels",)

    @classmethod
    def actions_for(cls, settings: PluginSettings) -> tuple[str, ...]:
        """Return C2PA's terms: ``fit: cover`` also crops."""
        assert isinstance(settings, ResizeSettings)
        return ("c2pa.cropped", "c2pa.resized") if settings.fit == "cover" else ("c2pa.resized",)

    def apply(self, image: Image) -> Image:
        """Resize the image.

        Raises:
            ValueError: If the image is too small and must not be enlarged.
        """
        if self.settings.megapixels is not None:
            scale = math.sqrt(1_000_000 * self.settings.megapixels / (image.width * image.height))
            return self._scaled(image, scale)
        wanted = (self.settings.width_px or MOST_SIDE_PX, self.settings.height_px or MOST_SIDE_PX)
        if self.settings.fit == "contain":
            return self._contain(image, wanted)
        if not self.settings.enlarge and (image.width < wanted[0] or image.height < wanted[1]):
            raise ValueError(
                f"the image of {image.width} x {image.height} px is smaller than {wanted[0]} x {wanted[1]} px; "
                "ask for larger images, or set enlarge: true"
            )
        if self.settings.fit == "exact":
            return lanczos.resized(image, wanted)
        scale = max(wanted[0] / image.width, wanted[1] / image.height)
        # The visible part of the image, in its own pixels, so that the filter reads only that.
        part = (min(image.width, wanted[0] / scale), min(image.height, wanted[1] / scale))
        left, top = (image.width - part[0]) / 2, (image.height - part[1]) / 2
        return lanczos.resized(image, wanted, (left, top, left + part[0], top + part[1]))

    def _contain(self, image: Image, wanted: tuple[int, int]) -> Image:
        return self._scaled(image, min(wanted[0] / image.width, wanted[1] / image.height))

    def _scaled(self, image: Image, scale: float) -> Image:
        if scale >= 1 and not self.settings.enlarge:
            return image
        return lanczos.resized(image, (max(1, round(image.width * scale)), max(1, round(image.height * scale))))
