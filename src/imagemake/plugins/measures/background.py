"""Whether the background is one plain color, and which color it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from imagemake.images.color_words import named_colors
from imagemake.images.lab import Lab, distance, lab_of
from imagemake.images.subject_fields import boxes_around_subject
from imagemake.plugins.measures import Box, ComparingMeasure, Value
from imagemake.plugins.measures.colors import Colors
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagemake.images.decoded import DecodedImage

STRIP_SHARE = 0.03  # width of the examined border, as a share of the shorter side


class BackgroundSettings(PluginSettings):
    """Which colors count as background."""

    color_distance: float = Field(
        default=8.0,
        gt=0,
        le=50,
        description="Largest CIE 1976 difference from the border's color that still counts as background. Soft shadows "
        "on white are within 8; a gray cloth is not.",
    )


class Background(ComparingMeasure):
    """Measures the border: its color, how plain it is, and how far it reaches into the image.

    The image is shrunk to 256 px first. Transparent pixels count as middle gray; `file.transparent_share` reports them.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "color": "median color of the border, as rrggbb",
        "border_share": "share of the border that has this color, 0 to 1; 1 is a plain background on all sides",
        "share": "share of the image that has this color and is connected to the border, 0 to 1",
        "unevenness": "mean CIE 1976 difference of the background from its color; 0 is flat, above 3 shows a gradient",
    }
    compared: ClassVar[Mapping[str, str]] = {
        "color_distance": "CIE 1976 difference between the border's color and the requested color: below 5 is the same "
        "color, above 15 is another color; if several colors were requested, the nearest one counts",
    }
    Settings: ClassVar[type[PluginSettings]] = BackgroundSettings
    settings: BackgroundSettings

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity."""
        import numpy as np

        from imagemake.images.lab import lab_pixels

        rgb = np.asarray(image.small)
        border = _border(rgb.shape[0], rgb.shape[1])
        red, green, blue = (round(float(channel)) for channel in np.median(rgb[border], axis=0))
        color = np.array(lab_of((red, green, blue)), dtype=np.float32)
        difference = np.linalg.norm(lab_pixels(image.small) - color, axis=2)
        is_near = difference <= self.settings.color_distance
        background = _connected(is_near, border)
        values: dict[str, Value] = {
            "color": f"{red:02x}{green:02x}{blue:02x}",
            "border_share": round(float(is_near[border].mean()), 4),
            "share": round(float(background.mean()), 4),
        }
        if background.any():
            values["unevenness"] = round(float(difference[background].mean()), 3)
        return values

    @staticmethod
    def places(quantity: str, values: Mapping[str, Value], wanted: str, *, is_high: bool) -> Iterable[Box]:
        """Return what is not the subject, if that is known."""
        fields = values.get("subject._fields")
        return boxes_around_subject(str(fields)) if fields else []

    @staticmethod
    def complaint(wanted: str) -> str | None:
        """Return why a text names no known color; None if it names one."""
        return Colors.complaint(wanted)

    @staticmethod
    def compare(values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Compare the border's color with the colors that a text names."""
        digits = str(values["color"])
        color = lab_of((int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)))
        named = _named(wanted)
        return {"color_distance": round(min(distance(color, one) for one in named), 2)} if named else {}


@lru_cache(maxsize=10_000)
def _named(wanted: str) -> tuple[Lab, ...]:
    return tuple(lab_of(color.rgb) for color in named_colors(wanted))


def _border(height_px: int, width_px: int) -> NDArray[np.bool_]:
    import numpy as np

    strip_px = max(1, round(min(height_px, width_px) * STRIP_SHARE))
    border = np.ones((height_px, width_px), dtype=np.bool_)
    border[strip_px:-strip_px, strip_px:-strip_px] = False
    return border


def _connected(is_near: NDArray[np.bool_], border: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels that are connected to the border through their four neighbors."""
    import cv2
    import numpy as np

    n_parts, parts = cv2.connectedComponents(is_near.astype(np.uint8), connectivity=4)
    at_border = np.zeros(n_parts, dtype=np.bool_)
    at_border[parts[border & is_near]] = True
    at_border[0] = False  # part 0 holds the pixels that differ
    return np.asarray(at_border[parts], dtype=np.bool_)
