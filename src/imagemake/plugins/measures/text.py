"""Text in an image: where it is, how much there is, and whether the prompt asked for it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import Field

from imagemake.plugins.measures import Box, ComparingMeasure, Value
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage

LONG_EDGE_PX = 1280  # at which words are recognized; `TextSettings.long_edge_px` is for detection
MOST_REGIONS = 100
MOST_LETTERS = 80  # of a region's text; the rest is not kept


class TextSettings(PluginSettings):
    """What counts as text."""

    long_edge_px: int = Field(
        default=480,
        ge=160,
        le=1280,
        description="Long edge in pixels at which text is detected. A larger value finds smaller text in more time.",
    )
    least_score: float = Field(
        default=0.85,
        ge=0.5,
        le=1,
        description="Lowest certainty that counts as text, 0.5 to 1. A lower value mistakes textures for letters; a "
        "higher value misses garbled text.",
    )
    least_characters: int = Field(
        default=3,
        ge=1,
        description="Letters and digits that a region must have to count. Shorter regions are mostly not text.",
    )


class Region(NamedTuple):
    """Text in one place. Lengths are shares of the image's width and height; the area is a share of its area."""

    text: str
    score: float
    left: float
    top: float
    width: float
    height: float
    area: float


class Text(ComparingMeasure):
    """Reads text: how much there is, where it is, and which words are missing or unwanted.

    The networks are PP-OCRv6, small, from the package `rapidocr`.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "regions": "number of regions of text",
        "share": "share of the image that text covers, 0 to 1",
        "words": "the regions as JSON: text, certainty, left, top, width, height, and area, as shares of the image",
    }
    compared: ClassVar[Mapping[str, str]] = {
        "unwanted_regions": "number of regions of text with a word that was not requested; a misspelled word counts",
        "unwanted_share": "share of the image that these regions cover, 0 to 1",
        "unwanted_place": "where most of the unwanted text is, such as bottom right",
        "missing_words": "number of requested words that were not found in the image",
    }
    compares_with_prompt: ClassVar[frozenset[str]] = frozenset({"unwanted_regions", "unwanted_share", "unwanted_place"})
    phrases: ClassVar[Mapping[str, str]] = {
        "share": "{regions} region(s), {this} of the area",
        "unwanted_share": "{unwanted_regions} region(s), {this} of the area, mostly {unwanted_place}",
        "unwanted_regions": "{this} region(s), mostly {unwanted_place}",
    }
    packages: ClassVar[Mapping[str, str]] = {"rapidocr": "rapidocr", "onnxruntime": "onnxruntime"}
    Settings: ClassVar[type[PluginSettings]] = TextSettings
    settings: TextSettings

    def __init__(self, settings: TextSettings) -> None:
        super().__init__(settings)
        from rapidocr import RapidOCR

        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.text_score": 0.5,
                "Global.use_cls": False,  # upside-down text is also detected, and read as nonsense
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # jobs run in parallel
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.limit_type": "max",
                "Det.limit_side_len": settings.long_edge_px,
            }
        )

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity."""
        import numpy as np

        small = image.shrunk(LONG_EDGE_PX)
        found = self._engine(np.ascontiguousarray(np.asarray(small)[:, :, ::-1]))
        read = zip(found.boxes, found.txts, found.scores, strict=True) if found.boxes is not None else ()
        regions = [_region(box, text, score, small.size) for box, text, score in read]
        regions = [region for region in regions if self._counts(region)][:MOST_REGIONS]
        return {
            "regions": len(regions),
            "share": _area(regions),
            "words": json.dumps(regions, ensure_ascii=False, separators=(",", ":")),
        }

    def _counts(self, region: Region) -> bool:
        letters = sum(character.isalnum() for character in region.text)
        return region.score >= self.settings.least_score and letters >= self.settings.least_characters

    @staticmethod
    def complaint(wanted: str) -> str | None:
        """Return why a text cannot be compared; None if it can."""
        return None if _words(wanted) else "has no words"

    @staticmethod
    def compare(values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Separate the requested words from the others."""
        regions = _regions(values["words"])
        asked = _asked(wanted)[0]
        unwanted = _unwanted(regions, wanted)
        joined = "".join(word for region in regions for word in _words(region.text))
        return {
            "unwanted_regions": len(unwanted),
            "unwanted_share": _area(unwanted),
            "unwanted_place": _place(unwanted),
            "missing_words": sum(word not in joined for word in asked),
        }

    @staticmethod
    def places(quantity: str, values: Mapping[str, Value], wanted: str, *, is_high: bool) -> Iterable[Box]:
        """Return the regions of text, or those that were not requested."""
        regions = _regions(values.get("text.words", "[]"))
        if quantity in ("unwanted_regions", "unwanted_share"):
            regions = _unwanted(regions, wanted)
        elif quantity not in ("regions", "share") or not is_high:
            return []
        return [Box(one.left, one.top, one.left + one.width, one.top + one.height) for one in regions]


def _regions(words: Value) -> list[Region]:
    return [Region(*region) for region in json.loads(str(words))]


def _unwanted(regions: list[Region], wanted: str) -> list[Region]:
    asked, asked_joined = _asked(wanted)
    return [region for region in regions if not _is_wanted(region.text, asked, asked_joined)]


def _region(box: Any, text: str, score: float, size_px: tuple[int, int]) -> Region:
    """Convert four corners in pixels to shares; the area is that of the quadrangle."""
    width_px, height_px = size_px
    corners = [(min(max(float(x) / width_px, 0), 1), min(max(float(y) / height_px, 0), 1)) for x, y in box]
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    right, bottom = max(x for x, _ in corners), max(y for _, y in corners)
    turned = zip(corners, [*corners[1:], corners[0]], strict=True)
    area = abs(sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in turned)) / 2
    shares = (round(share, 4) for share in (left, top, right - left, bottom - top, area))
    return Region(text[:MOST_LETTERS], round(float(score), 3), *shares)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


@lru_cache(maxsize=10_000)
def _asked(wanted: str) -> tuple[frozenset[str], str]:
    words = _words(wanted)
    return frozenset(words), "".join(words)


def _is_wanted(text: str, asked: frozenset[str], asked_joined: str) -> bool:
    words = _words(text)
    # Recognition often loses the spaces between words: "SUMMERSALE" matches "Summer Sale".
    return asked.issuperset(words) or (len("".join(words)) > 2 and "".join(words) in asked_joined)


def _area(regions: list[Region]) -> float:
    return round(min(1.0, sum(region.area for region in regions)), 4)


def _place(regions: list[Region]) -> str:
    """Describe where the center of most of the text is, in ninths of the image."""
    weight = sum(region.area for region in regions)
    if not weight:
        return "nowhere"
    x = sum((region.left + region.width / 2) * region.area for region in regions) / weight
    y = sum((region.top + region.height / 2) * region.area for region in regions) / weight
    row, column = ("top", "middle", "bottom")[min(int(3 * y), 2)], ("left", "center", "right")[min(int(3 * x), 2)]
    return "in the center" if (row, column) == ("middle", "center") else f"{row} {column}"
