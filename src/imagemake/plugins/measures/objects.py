"""Things in an image, and whether they are those that were asked for, and as many."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from imagemake.images.networks.object_finder import ObjectFinder, Thing
from imagemake.images.object_words import counted, things_in
from imagemake.plugins.measures import ComparingMeasure, Value

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage

MOST_OVERLAP = 0.5  # of two boxes of one kind, as intersection over union, that are two things
MOST_THINGS = 100


class ObjectsSettings(BaseModel):
    """What counts as a thing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    long_edge_px: int = Field(
        default=512,
        ge=192,
        le=1024,
        description="Long edge in pixels at which things are looked for. The network was trained at 416: a larger one "
        "finds smaller things, and misses more of those that fill the image.",
    )
    least_score: float = Field(
        default=0.35,
        ge=0.2,
        le=1,
        description="Least certainty, 0 to 1. Lower, and more is found that is not there, or is another thing; higher, "
        "and things are missed. The network's own examples use 0.35.",
    )


class Objects(ComparingMeasure):
    """Reads things of the 80 kinds of COCO by NanoDet-g (RangiLyu 2021), whose weights come with this package."""

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "count": "number of things",
        "kinds": "how many of each kind, such as 2 cups, 1 dining table; the commonest first",
        "found": "the things as JSON, the most certain first: kind, certainty, left, top, width, height, as shares of "
        "the image",
    }
    compared: ClassVar[Mapping[str, str]] = {
        "missing_objects": "number of kinds that were asked for and not found",
        "missing_names": "which kinds these are",
        "count_difference": "things found minus things asked for, of the kind where that differs most: two cats, "
        "3 mugs, a dog, no people; kinds without a clear number are not counted",
        "count_asked": "what was asked for of that kind, such as 3 cups",
        "count_found": "how many of that kind were found",
    }
    compares_with_prompt: ClassVar[frozenset[str]] = frozenset(compared)
    phrases: ClassVar[Mapping[str, str]] = {
        "count": "{this} thing(s): {kinds}",
        "missing_objects": "{this} not found: {missing_names}",
        "count_difference": "asked for {count_asked}, found {count_found}",
    }
    Settings: ClassVar[type[BaseModel]] = ObjectsSettings
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
    def complaint(wanted: str) -> str | None:
        """Say why a text names nothing that can be found."""
        if things_in(wanted):
            return None
        return "names nothing that is known: the 80 kinds of COCO are, such as cup, chair, cat and person"

    @staticmethod
    def compare(values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Compare what was found with what a text names."""
        asked = things_in(wanted)
        if not asked:
            return {}
        found = Counter(Thing(*thing).label for thing in json.loads(str(values["found"])))
        missing = [one.label for one in asked if one.number != 0 and not found[one.label]]
        compared: dict[str, Value] = {"missing_objects": len(missing), "missing_names": ", ".join(missing)}
        differences = [
            (found[one.label] - one.number, one.number, one.label) for one in asked if one.number is not None
        ]
        if differences:
            difference, number, label = max(differences, key=lambda one: abs(one[0]))
            compared["count_difference"] = difference
            compared["count_asked"] = counted(number, label)
            compared["count_found"] = found[label]
        return compared
