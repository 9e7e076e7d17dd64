"""Cutting a picture to a shape or to a box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from PIL.Image import Image

Ratio = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$")]
Gravity = Literal["center", "top", "bottom", "left", "right", "top_left", "top_right", "bottom_left", "bottom_right"]


class Box(BaseModel):
    """A part of a picture, in pixels from its top left corner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left_px: int = Field(ge=0, description="Pixels cut off at the left.")
    top_px: int = Field(ge=0, description="Pixels cut off at the top.")
    width_px: int = Field(ge=1, description="Width that stays, in pixels.")
    height_px: int = Field(ge=1, description="Height that stays, in pixels.")


class CropSettings(BaseModel):
    """Either a shape or a box."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ratio: Ratio | None = Field(
        default=None, description="Width to height that stays, such as 4:5: the largest such part of the picture."
    )
    gravity: Gravity = Field(default="center", description="Which part stays, where a ratio leaves a choice.")
    box: Box | None = Field(default=None, description="A fixed part instead of a ratio.")

    @model_validator(mode="after")
    def _one_way(self) -> CropSettings:
        if (self.ratio is None) == (self.box is None):
            raise ValueError("crop needs a ratio or a box, and not both")
        if self.box is not None and self.gravity != "center":
            raise ValueError("gravity goes with a ratio; a box says itself where it is")
        return self


class Crop:
    """Cuts to a ratio or to a box; never makes a picture larger."""

    version: ClassVar[int] = 1
    Settings: ClassVar[type[BaseModel]] = CropSettings

    def __init__(self, settings: BaseModel) -> None:
        assert isinstance(settings, CropSettings)
        self.settings = settings

    def apply(self, image: Image) -> Image:
        """Cut the picture.

        Raises:
            ValueError: If the box does not lie within the picture.
        """
        box = self.settings.box
        if box is None:
            assert self.settings.ratio is not None
            width_px, height_px = largest_of_ratio(image.size, self.settings.ratio)
            left_px, top_px = place(image.size, (width_px, height_px), self.settings.gravity)
        else:
            left_px, top_px, width_px, height_px = box.left_px, box.top_px, box.width_px, box.height_px
            if left_px + width_px > image.width or top_px + height_px > image.height:
                raise ValueError(
                    f"the box of {width_px} x {height_px} px at ({left_px}, {top_px}) leaves the picture of "
                    f"{image.width} x {image.height} px"
                )
        return image.crop((left_px, top_px, left_px + width_px, top_px + height_px))


def largest_of_ratio(size_px: tuple[int, int], ratio: str) -> tuple[int, int]:
    """Return width and height of the largest part of a picture that has this ratio, rounded to whole pixels."""
    width_px, height_px = size_px
    wide, high = (int(side) for side in ratio.split(":"))
    if width_px * high > height_px * wide:
        return max(1, _rounded(height_px * wide, high)), height_px
    return width_px, max(1, _rounded(width_px * high, wide))


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def place(outer_px: tuple[int, int], inner_px: tuple[int, int], gravity: Gravity) -> tuple[int, int]:
    """Return left and top of a smaller rectangle within a larger one."""
    free_x, free_y = outer_px[0] - inner_px[0], outer_px[1] - inner_px[1]
    left_px = 0 if "left" in gravity else free_x if "right" in gravity else free_x // 2
    top_px = 0 if "top" in gravity else free_y if "bottom" in gravity else free_y // 2
    return left_px, top_px
