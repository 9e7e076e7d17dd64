"""Crops an image to a ratio, a box, or the subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from imagemake.images.networks.subject_mask import SubjectMask, box_of, without_specks
from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.steps import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

DETAIL_EDGE_PX = 256
SUBJECT_SIDE_PX = 320  # the size that the network was trained at
Ratio = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$")]
Gravity = Literal["center", "top", "bottom", "left", "right", "top_left", "top_right", "bottom_left", "bottom_right"]


class Box(PluginSettings):
    """A part of an image, in pixels from its top left corner."""

    left_px: int = Field(ge=0, description="Pixels to cut off at the left.")
    top_px: int = Field(ge=0, description="Pixels to cut off at the top.")
    width_px: int = Field(ge=1, description="Width to keep, in pixels.")
    height_px: int = Field(ge=1, description="Height to keep, in pixels.")


class Around(PluginSettings):
    """The subject of the image, with a margin around it."""

    margin_percent: float = Field(
        default=5.0,
        ge=0,
        le=100,
        description="Margin on each side, in percent of the longer edge of the subject's box.",
    )


class CropSettings(PluginSettings):
    """A ratio, a box, or the area around the subject."""

    ratio: Ratio | None = Field(
        default=None, description="Ratio of width to height, such as 4:5. Keeps the largest such part of the image."
    )
    gravity: Gravity | Literal["smart"] = Field(
        default="center",
        description="Which part to keep if a ratio leaves a choice. smart keeps the part with the most detail, "
        "measured by the strength of its edges, without a network.",
    )
    box: Box | None = Field(default=None, description="A fixed part, instead of a ratio.")
    subject: Around | None = Field(
        default=None,
        description="The area around the subject; with a ratio, the smallest such area within the image. The margin "
        "ends at the image's edges; add pad for more.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> CropSettings:
        if self.subject is not None and self.box is not None:
            raise ValueError("crop takes a box or a subject, not both")
        if self.subject is None and (self.ratio is None) == (self.box is None):
            raise ValueError("crop needs a ratio or a box, not both")
        if (self.box is not None or self.subject is not None) and self.gravity != "center":
            raise ValueError("gravity applies only to a ratio; a box and a subject have a fixed position")
        return self


class Crop(Step):
    """Crops to a ratio, a box, or the subject. It never enlarges an image."""

    version: ClassVar[int] = 1
    Settings: ClassVar[type[PluginSettings]] = CropSettings
    settings: CropSettings
    actions: ClassVar[tuple[str, ...]] = ("c2pa.cropped",)

    def __init__(self, settings: CropSettings) -> None:
        super().__init__(settings)
        self._mask = SubjectMask(SUBJECT_SIDE_PX) if settings.subject is not None else None

    def apply(self, image: Image) -> Image:
        """Crop the image.

        Raises:
            ValueError: If the box is not within the image, or there is no subject.
        """
        if self._mask is not None:
            return image.crop(self._around_subject(image, self._mask))
        box = self.settings.box
        if box is None:
            assert self.settings.ratio is not None
            width_px, height_px = largest_of_ratio(image.size, self.settings.ratio)
            gravity = self.settings.gravity
            size_px = (width_px, height_px)
            left_px, top_px = most_detail(image, size_px) if gravity == "smart" else place(image.size, size_px, gravity)
        else:
            left_px, top_px, width_px, height_px = box.left_px, box.top_px, box.width_px, box.height_px
            if left_px + width_px > image.width or top_px + height_px > image.height:
                raise ValueError(
                    f"the box of {width_px} x {height_px} px at ({left_px}, {top_px}) is not within the image of "
                    f"{image.width} x {image.height} px"
                )
        return image.crop((left_px, top_px, left_px + width_px, top_px + height_px))

    def _around_subject(self, image: Image, mask: SubjectMask) -> tuple[int, int, int, int]:
        assert self.settings.subject is not None
        is_subject, parts = without_specks(mask.of(image.convert("RGB")) > 0.5)
        if not parts:
            raise ValueError("the image has no clear subject to crop to")
        box_px = [share * side for share, side in zip(box_of(is_subject), 2 * image.size, strict=True)]
        return around(box_px, image.size, self.settings.subject.margin_percent, self.settings.ratio)


def around(
    box_px: Sequence[float], size_px: tuple[int, int], margin_percent: float, ratio: str | None
) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the part around a box, within the image.

    Args:
        box_px: Left, top, right and bottom of the subject, in pixels.
        size_px: Of the image.
        margin_percent: Margin on each side, in percent of the box's longer edge.
        ratio: Ratio of width to height; None for that of the box with its margin. If the image is too small, the part
            is the largest one of that ratio.
    """
    left, top, right, bottom = box_px
    room = margin_percent / 100 * max(right - left, bottom - top)
    width, height = right - left + 2 * room, bottom - top + 2 * room
    if ratio is not None:
        wide, high = (int(side) for side in ratio.split(":"))
        width, height = max(width, height * wide / high), max(height, width * high / wide)
        most = largest_of_ratio(size_px, ratio)
        if width > most[0] or height > most[1]:
            width, height = most
    spans = ((left, right, width, size_px[0]), (top, bottom, height, size_px[1]))
    if ratio is None:
        ends = [(max(0.0, start - room), min(float(side), end + room)) for start, end, _, side in spans]
    else:
        starts = [min(max(0.0, (start + end - length) / 2), side - length) for start, end, length, side in spans]
        ends = [(start, start + length) for start, (*_, length, _) in zip(starts, spans, strict=True)]
    (left, right), (top, bottom) = ends
    left_px, top_px = min(round(left), size_px[0] - 1), min(round(top), size_px[1] - 1)
    return left_px, top_px, max(left_px + 1, round(right)), max(top_px + 1, round(bottom))


def largest_of_ratio(size_px: tuple[int, int], ratio: str) -> tuple[int, int]:
    """Return width and height of the largest part of an image that has this ratio, rounded to whole pixels."""
    width_px, height_px = size_px
    wide, high = (int(side) for side in ratio.split(":"))
    if width_px * high > height_px * wide:
        return max(1, _rounded(height_px * wide, high)), height_px
    return width_px, max(1, _rounded(width_px * high, wide))


def most_detail(image: Image, size_px: tuple[int, int]) -> tuple[int, int]:
    """Return left and top of the part with the strongest edges; of equal parts, the one nearest the center.

    Edges come from Scharr's operator on the luma, at a longest edge of 256 px; soft backgrounds have none.

    Args:
        image: RGB or RGBA; transparent pixels count as middle gray.
        size_px: Width and height of the part; one of them is the image's.
    """
    import cv2
    import numpy as np
    from PIL import Image as Pillow

    opaque = image
    if image.mode == "RGBA":
        opaque = Pillow.new("RGB", image.size, (128, 128, 128))
        opaque.paste(image, mask=image)
    scale = min(1.0, DETAIL_EDGE_PX / max(image.size))
    small_px = max(3, round(image.width * scale)), max(3, round(image.height * scale))
    luma = np.asarray(opaque.convert("L").resize(small_px), dtype=np.float32)
    edges = np.hypot(cv2.Scharr(luma, cv2.CV_32F, 1, 0), cv2.Scharr(luma, cv2.CV_32F, 0, 1))
    starts = []
    for axis, (side, part) in enumerate(zip(image.size, size_px, strict=True)):
        along = np.concatenate([[0.0], np.cumsum(edges.sum(axis=axis), dtype=np.float64)])
        places = np.arange(side - part + 1)
        ends = np.linspace(0, side, len(along))
        found = np.round(np.interp(places + part, ends, along) - np.interp(places, ends, along), 3)
        best = places[found == found.max()]
        starts.append(int(best[np.abs(2 * best - (side - part)).argmin()]))
    return starts[0], starts[1]


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def place(outer_px: tuple[int, int], inner_px: tuple[int, int], gravity: Gravity) -> tuple[int, int]:
    """Return left and top of a smaller rectangle within a larger one."""
    free_x, free_y = outer_px[0] - inner_px[0], outer_px[1] - inner_px[1]
    left_px = 0 if "left" in gravity else free_x if "right" in gravity else free_x // 2
    top_px = 0 if "top" in gravity else free_y if "bottom" in gravity else free_y // 2
    return left_px, top_px
