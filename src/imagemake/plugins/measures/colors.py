"""Which colors an image has, and whether it shows the requested color."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import atan2, degrees, hypot
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from imagemake.images.color_words import RGB, named_colors
from imagemake.images.lab import Lab, distance, lab_of
from imagemake.images.subject_fields import boxes_of_subject
from imagemake.plugins.measures import Box, ComparingMeasure, Value
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagemake.images.decoded import DecodedImage

LONG_EDGE_PX = 64
MERGED_DISTANCE = 6.0  # palette colors closer than this are merged
SEEN_SHARE = 0.01  # share of the image; a smaller share is a highlight or a stray pixel
# What still counts as the named color. Shape and lighting change lightness far more than hue.
GRAY_CHROMA = 10.0
MOST_GRAY_CHROMA, MOST_GRAY_LIGHTNESS = 14.0, 22.0
MOST_HUE_DEGREES, MOST_LIGHTNESS, LEAST_CHROMA_RATIO = 28.0, 34.0, 0.4


class ColorsSettings(PluginSettings):
    """How many colors are read."""

    most_colors: int = Field(default=10, ge=2, le=32, description="Largest number of colors in an image's palette.")


class Colors(ComparingMeasure):
    """Finds the dominant colors.

    They are the centers of k-means in CIE L*a*b*, on the image shrunk to 64 px. Colorfulness is that of Hasler and
    Süsstrunk, Measuring colourfulness in natural images, SPIE 5007 (2003).
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "palette": "dominant colors as rrggbb:share, largest share of the image first",
        "dominant_share": "share of the image in its most common color, 0 to 1",
        "colorfulness": "0 for gray, 15 slightly colorful, 45 quite, 80 and up highly",
    }
    compared: ClassVar[Mapping[str, str]] = {
        "named_share": "share of the image in the requested color, in any lighting, 0 to 1; if several colors were "
        "requested, the smallest share",
        "named_distance": "CIE 1976 difference between the requested color and the nearest color that covers at least "
        "1 % of the image: below 10 is the same color, up to 25 a similar one; if several colors were requested, the "
        "largest difference",
    }
    Settings: ClassVar[type[PluginSettings]] = ColorsSettings
    settings: ColorsSettings

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity."""
        import numpy as np

        from imagemake.images.lab import lab_pixels

        shrunk = image.shrunk(LONG_EDGE_PX)
        rgb = np.asarray(shrunk, dtype=np.float32).reshape(-1, 3)
        palette = _palette(rgb, lab_pixels(shrunk).reshape(-1, 3), self.settings.most_colors)
        return {
            "palette": " ".join(f"{red:02x}{green:02x}{blue:02x}:{share:.4f}" for (red, green, blue), share in palette),
            "dominant_share": round(palette[0][1], 4),
            "colorfulness": round(_colorfulness(rgb), 3),
        }

    @staticmethod
    def places(quantity: str, values: Mapping[str, Value], wanted: str, *, is_high: bool) -> Iterable[Box]:
        """Return the subject, if it is known and has another color than requested."""
        fields = values.get("subject._fields") if quantity in ("named_share", "named_distance") else None
        return boxes_of_subject(str(fields)) if fields else []

    @staticmethod
    def complaint(wanted: str) -> str | None:
        """Return why a text names no known color; None if it names one."""
        if named_colors(wanted):
            return None
        return "names no known color; use a CSS name, a common shop color (dusty rose, off-white), or #rrggbb"

    @staticmethod
    def compare(values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Compare the palette with the colors that a text names."""
        palette = [
            (lab_of((int(color[:2], 16), int(color[2:4], 16), int(color[4:6], 16))), float(color[7:]))
            for color in str(values["palette"]).split()
        ]
        named = _named(wanted)
        if not named:
            return {}
        seen = [lab for lab, share in palette if share >= SEEN_SHARE]
        return {
            "named_share": round(min(sum(part for lab, part in palette if is_like(lab, color)) for color in named), 4),
            "named_distance": round(max(min(distance(lab, color) for lab in seen) for color in named), 2),
        }


def is_like(color: Lab, named: Lab) -> bool:
    """Return whether a color is the named one, possibly in different lighting."""
    chroma, named_chroma = hypot(*color[1:]), hypot(*named[1:])
    lightness = abs(color[0] - named[0])
    if named_chroma < GRAY_CHROMA:
        return chroma < MOST_GRAY_CHROMA and lightness <= MOST_GRAY_LIGHTNESS
    turn = abs(degrees(atan2(color[2], color[1]) - atan2(named[2], named[1]))) % 360
    return (
        min(turn, 360 - turn) <= MOST_HUE_DEGREES
        and lightness <= MOST_LIGHTNESS
        and chroma >= LEAST_CHROMA_RATIO * named_chroma
    )


@lru_cache(maxsize=10_000)
def _named(wanted: str) -> tuple[Lab, ...]:
    return tuple(lab_of(color.rgb) for color in named_colors(wanted))


def _palette(rgb: NDArray[np.float32], lab: NDArray[np.float32], most_colors: int) -> list[tuple[RGB, float]]:
    import cv2
    import numpy as np

    packed = rgb.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)
    most = min(most_colors, len(np.unique(packed)))
    if most == 1:  # OpenCV misreads a single pixel as three samples
        return [(_mean(rgb), 1.0)]
    cv2.setRNGSeed(0)  # equal images give equal palettes
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    _, labels, centers = cv2.kmeans(lab, most, None, criteria, 1, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    groups = np.array(_merged(centers))[labels.ravel()]
    found = []
    for group in np.unique(groups):
        members = rgb[groups == group]
        found.append((_mean(members), len(members) / len(rgb)))
    return sorted(found, key=lambda color: (-color[1], color[0]))


def _mean(rgb: NDArray[np.float32]) -> RGB:
    red, green, blue = (round(float(channel)) for channel in rgb.mean(axis=0))
    return red, green, blue


def _merged(centers: NDArray[np.float32]) -> list[int]:
    """Return for each center the first one that is nearly the same color."""
    first: list[int] = []
    for index, center in enumerate(centers):
        near = (other for other in range(index) if float(((centers[other] - center) ** 2).sum()) <= MERGED_DISTANCE**2)
        earlier = next(near, None)
        first.append(index if earlier is None else first[earlier])
    return first


def _colorfulness(rgb: NDArray[np.float32]) -> float:
    red, green, blue = rgb.T
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = hypot(float(red_green.std()), float(yellow_blue.std()))
    return spread + 0.3 * hypot(float(red_green.mean()), float(yellow_blue.mean()))
