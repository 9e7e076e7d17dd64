"""Adds a border around the image or over its edge, and round corners."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.steps import Step

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 100_000_000  # as for pad
FINER = 4  # corners are drawn this many times larger, so that their edges are smooth


class FrameSettings(PluginSettings):
    """Width and color of the border, and the radius of the corners."""

    width_px: int = Field(default=0, ge=0, le=5_000, description="Width of the border, in pixels.")
    width_percent: float = Field(
        default=0.0,
        ge=0,
        le=50,
        description="Width of the border, in percent of the image's longer edge; instead of width_px.",
    )
    color: str = Field(
        default="#ffffff",
        pattern=r"^(#[0-9a-fA-F]{6}|transparent)$",
        description="Color of the border and behind round corners, such as #ffffff, or transparent.",
    )
    radius_percent: float = Field(
        default=0.0,
        ge=0,
        le=50,
        description="Radius of the image's round corners, in percent of its shorter edge; 50 makes a square a disk.",
    )
    inside: bool = Field(
        default=False,
        description="Whether to draw the border over the image's edge, which keeps the size, instead of around it.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> FrameSettings:
        if self.width_px and self.width_percent:
            raise ValueError("frame takes width_px or width_percent, not both")
        if not self.width_px and not self.width_percent and not self.radius_percent:
            raise ValueError("frame needs width_px, width_percent, or radius_percent")
        return self


class Frame(Step):
    """Draws a border around the image or over its edge, and rounds corners.

    The border has one color. Transparent parts of the image stay transparent.
    """

    version: ClassVar[int] = 1
    Settings: ClassVar[type[PluginSettings]] = FrameSettings
    settings: FrameSettings

    def apply(self, image: Image) -> Image:
        """Frame the image.

        Raises:
            ValueError: If a border over the edge covers the whole image, or the framed image would be too large.
        """
        from PIL import Image as Pillow

        width_px = self.settings.width_px or round(self.settings.width_percent / 100 * max(image.size))
        shown = image
        if self.settings.inside:
            if 2 * width_px >= min(image.size):
                raise ValueError(
                    f"a border of {width_px} px covers the whole image of {image.width} x {image.height} px"
                )
            shown = image.crop((width_px, width_px, image.width - width_px, image.height - width_px))
        size_px = shown.width + 2 * width_px, shown.height + 2 * width_px
        if size_px[0] * size_px[1] > MOST_PIXELS:
            raise ValueError(f"the result of {size_px[0]} x {size_px[1]} px has more than {MOST_PIXELS:,} pixels")
        radius_px = round(self.settings.radius_percent / 100 * min(shown.size))
        is_clear = self.settings.color == "transparent"
        if not is_clear and shown.mode == "RGB":
            framed = Pillow.new("RGB", size_px, self.settings.color)
            framed.paste(shown, (width_px, width_px), _rounded(shown.size, radius_px) if radius_px else None)
            return framed
        # The image's transparency stays, so it replaces what is below; the border shows only at its round corners.
        framed = Pillow.new("RGBA", size_px, (0, 0, 0, 0) if is_clear else self.settings.color)
        if radius_px:
            behind = framed.crop((width_px, width_px, width_px + shown.width, width_px + shown.height))
            shown = _over_corners(shown.convert("RGBA"), behind, _rounded(shown.size, radius_px))
        framed.paste(shown, (width_px, width_px))
        return framed


def _rounded(size_px: tuple[int, int], radius_px: int) -> Image:
    """Return a mask with round corners: 255 inside, with a smooth edge to 0 outside."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    flip_x, flip_y = Pillow.Transpose.FLIP_LEFT_RIGHT, Pillow.Transpose.FLIP_TOP_BOTTOM
    corner = Pillow.new("L", (radius_px * FINER,) * 2, 0)
    ImageDraw.Draw(corner).ellipse((0, 0, 2 * corner.width - 1, 2 * corner.height - 1), fill=255)
    top_left = corner.reduce(FINER)
    top_right, bottom_left = top_left.transpose(flip_x), top_left.transpose(flip_y)
    right_px, bottom_px = size_px[0] - radius_px, size_px[1] - radius_px
    mask = Pillow.new("L", size_px, 255)
    mask.paste(top_left, (0, 0))
    mask.paste(top_right, (right_px, 0))
    mask.paste(bottom_left, (0, bottom_px))
    mask.paste(bottom_left.transpose(flip_x), (right_px, bottom_px))
    return mask


def _over_corners(image: Image, behind: Image, mask: Image) -> Image:
    """Put an image over its background through a mask of its corners."""
    from PIL import Image as Pillow
    from PIL import ImageChops

    if behind.getpixel((0, 0)) == (0, 0, 0, 0):
        rounded = image.copy()
        rounded.putalpha(ImageChops.multiply(image.getchannel("A"), mask))
        return rounded
    return Pillow.composite(image, behind, mask)
