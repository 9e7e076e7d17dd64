"""Objects in an image, and whether they match the request in kind and number."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from imagemake.images.networks.object_finder import ObjectFinder, Thing
from imagemake.images.object_words import counted, things_in
from imagemake.plugins.measures import Box, ComparingMeasure, Value
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage

MOST_OVERLAP = 0.5  # intersection over union; boxes of one kind that overlap more are one object
MOST_THINGS = 100


class ObjectsSettings(PluginSettings):
    """What counts as an object."""

    long_edge_px: int = Field(
        default=512,
        ge=192,
        le=1024,
        description="Long edge in pixels at which objects are detected. The network was trained at 416. A larger value "
        "finds smaller objects, but misses more objects that fill the image.",
    )
    least_score: float = Field(
        default=0.35,
        ge=0.2,
        le=1,
        description="Lowest certainty that counts as an object, 0 to 1. A lower value gives more false detections; a "
        "higher value misses objects. The network's own examples use 0.35.",
    )


class Objects(ComparingMeasure):
    """Detects objects of 80 kinds: which there are, where they are, and which are missing; its counts are often wrong.

    The kinds are those of COCO, the network is NanoDet-g (RangiLyu 2021). This package includes its weights.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "count": "number of objects",
        "kinds": "number of each kind, such as 2 cups, 1 dining table; the most common first",
        "found": "the objects as JSON, the most certain first: kind, certainty, left, top, width, height, as shares of "
        "the image",
    }
    compared: ClassVar[Mapping[str, str]] = {
        "missing_objects": "number of requested kinds that were not found",
        "missing_names": "the requested kinds that were not found",
        "count_difference": "number found minus number requested, of the kind that differs most; requests are phrases "
        "such as two cats, 3 mugs, a dog, no people; kinds without a clear number are ignored. Often wrong: see "
        "docs/reference/measures.md",
        "count_asked": "number requested of that kind, such as 3 cups",
        "count_found": "number found of that kind",
    }
    compares_with_prompt: ClassVar[frozenset[str]] = frozenset(compared)
    phrases: ClassVar[Mapping[str, str]] = {
        "count": "{this} object(s): {kinds}",
        "missing_objects": "{this} not found: {missing_names}",
        "count_difference": "asked for {count_asked}, found {count_found}",
    }
    Settings: ClassVar[type[PluginSettings]] = ObjectsSettings
    settings: ObjectsSettings

    def __init__(self, settings: ObjectsSettings) -> None:
        super().__init__(settings)
        self._finder = ObjectFinder(settings.least_score, MOST_OVERLAP)

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity."""
        things = self._finder.of(image.shrunk(self.settings.long_edge_px))[:MOST_THINGS]
        kinds = Counter(thing.label for thing in things).most_common()
        return {
            "count": len(things),
            "kinds": ", ".join(counted(number, label) for label, number in kinds),
            "found": json.dumps(things, separators=(",", ":")),
        }

    @staticmethod
    def places(quantity: str, values: Mapping[str, Value], wanted: str, *, is_high: bool) -> Iterable[Box]:
        """Return the objects of which there are too many."""
        things = [Thing(*thing) for thing in json.loads(str(values.get("objects.found", "[]")))]
        if quantity == "count_difference":
            worst = _most_different(Counter(thing.label for thing in things), wanted)
            things = [thing for thing in things if worst and thing.label == worst[2]]
        elif quantity != "count":
            return []
        return [Box(one.left, one.top, one.left + one.width, one.top + one.height) for one in things if is_high]

    @staticmethod
    def complaint(wanted: str) -> str | None:
        """Return why a text names no known object; None if it names one."""
        if things_in(wanted):
            return None
        return "names no known object; use one of the 80 kinds of COCO, such as cup, chair, cat, or person"

    @staticmethod
    def compare(values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Compare the detected objects with those that a text names."""
        asked = things_in(wanted)
        if not asked:
            return {}
        found = Counter(Thing(*thing).label for thing in json.loads(str(values["found"])))
        missing = [one.label for one in asked if one.number != 0 and not found[one.label]]
        compared: dict[str, Value] = {"missing_objects": len(missing), "missing_names": ", ".join(missing)}
        if worst := _most_different(found, wanted):
            difference, number, label = worst
            compared["count_difference"] = difference
            compared["count_asked"] = counted(number, label)
            compared["count_found"] = found[label]
        return compared


def _most_different(found: Mapping[str, int], wanted: str) -> tuple[int, int, str] | None:
    """Return the difference, the requested number, and the kind whose number differs most; None without a number."""
    numbers = [(one.number, one.label) for one in things_in(wanted) if one.number is not None]
    differences = [(found.get(label, 0) - number, number, label) for number, label in numbers]
    return max(differences, key=lambda one: abs(one[0]), default=None)
