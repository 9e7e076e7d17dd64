"""Faces: how many, how large, and where."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import ceil, exp
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import Field

from imagemake.images.networks import Network
from imagemake.plugins.measures import Box, ComparingMeasure, Value
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagemake.images.decoded import DecodedImage

STRIDE_PX = 4  # of the network's grid
MULTIPLE_PX = 32  # sides of its input
MOST_OVERLAP = 0.3  # intersection over union; boxes that overlap more are one face
MOST_FACES = 200


class FacesSettings(PluginSettings):
    """What counts as a face."""

    long_edge_px: int = Field(
        default=480,
        ge=160,
        le=1920,
        description="Long edge in pixels at which faces are detected. Faces under about 12 px at this size are missed.",
    )
    least_score: float = Field(
        default=0.6,
        ge=0.1,
        le=1,
        description="Lowest certainty that counts as a face, 0 to 1. From 0.6 on, false detections are rare.",
    )


class Face(NamedTuple):
    """A face: its certainty, and its box in shares of the image's width and height."""

    score: float
    left: float
    top: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Share of the image, 0 to 1."""
        return self.width * self.height


class Faces(ComparingMeasure):
    """Detects faces: how many there are, how large they are, and where.

    The network is CenterFace (Xu et al. 2019, arXiv 1911.03599). This package includes its weights.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "count": "number of faces",
        "share": "share of the image that faces cover, 0 to 1",
        "largest_share": "share of the image that the largest face covers; missing if there is no face",
        "largest_x": "horizontal center of the largest face, 0 (left edge) to 1",
        "largest_y": "vertical center of the largest face, 0 (top edge) to 1",
        "boxes": "the faces as JSON, largest first: certainty, left, top, width, height, as shares of the image",
    }
    compared: ClassVar[Mapping[str, str]] = {
        "count_difference": "number of faces in the image minus the requested number; negative if faces are missing"
    }
    phrases: ClassVar[Mapping[str, str]] = {
        "count": "{this} face(s)",
        "largest_share": "the largest face covers {this}",
        "count_difference": "{this} of {count} face(s) too many",
    }
    Settings: ClassVar[type[PluginSettings]] = FacesSettings
    settings: FacesSettings

    def __init__(self, settings: FacesSettings) -> None:
        super().__init__(settings)
        self._network = Network("centerface.onnx")

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity."""
        faces = _without_overlaps(self._found(image.shrunk(self.settings.long_edge_px)))
        values: dict[str, Value] = {
            "count": len(faces),
            "share": round(min(1.0, sum(face.area for face in faces)), 4),
            "boxes": json.dumps(faces, separators=(",", ":")),
        }
        if faces:
            largest = faces[0]
            values["largest_share"] = round(largest.area, 4)
            values["largest_x"] = round(largest.left + largest.width / 2, 4)
            values["largest_y"] = round(largest.top + largest.height / 2, 4)
        return values

    @staticmethod
    def places(quantity: str, values: Mapping[str, Value], wanted: str, *, is_high: bool) -> Iterable[Box]:
        """Return the faces, if they are too many or too large."""
        if not is_high or (quantity.startswith("largest_") and quantity != "largest_share"):
            return []
        faces = [Face(*face) for face in json.loads(str(values.get("faces.boxes", "[]")))]
        return [Box(one.left, one.top, one.left + one.width, one.top + one.height) for one in faces]

    def _found(self, image: Image) -> list[Face]:
        import numpy as np

        heat, scale, offset, _ = self._network.run(_blob(image))
        rows, columns = np.nonzero(heat[0, 0] > self.settings.least_score)
        found = []
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            height_px, width_px = (STRIDE_PX * exp(float(part)) for part in scale[0, :, row, column])
            y_px = STRIDE_PX * (row + 0.5 + float(offset[0, 0, row, column]))
            x_px = STRIDE_PX * (column + 0.5 + float(offset[0, 1, row, column]))
            left, right = _within(x_px - width_px / 2, x_px + width_px / 2, image.width)
            top, bottom = _within(y_px - height_px / 2, y_px + height_px / 2, image.height)
            score = round(float(heat[0, 0, row, column]), 3)
            found.append(Face(score, left, top, round(right - left, 4), round(bottom - top, 4)))
        return found

    @staticmethod
    def complaint(wanted: str) -> str | None:
        """Return why a text is not a number; None if it is one."""
        return None if wanted.strip().isdecimal() else "is not a whole number"

    @staticmethod
    def compare(values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Compare the number of faces."""
        if Faces.complaint(wanted):
            return {}
        return {"count_difference": int(values["count"]) - int(wanted)}


def _blob(image: Image) -> Any:
    """Pad the image with gray to a size that the network accepts."""
    import numpy as np

    width_px, height_px = (MULTIPLE_PX * ceil(side / MULTIPLE_PX) for side in image.size)
    blob = np.full((1, 3, height_px, width_px), 128, dtype=np.float32)
    blob[0, :, : image.height, : image.width] = np.asarray(image).transpose(2, 0, 1)
    return blob


def _within(start_px: float, end_px: float, side_px: int) -> tuple[float, float]:
    """Return both ends as shares of a side."""
    start, end = (round(min(max(place / side_px, 0.0), 1.0), 4) for place in (start_px, end_px))
    return start, end


def _without_overlaps(faces: list[Face]) -> list[Face]:
    """Keep the most certain of overlapping faces; return the largest first."""
    kept: list[Face] = []
    for face in sorted(faces, reverse=True):
        if len(kept) < MOST_FACES and all(_overlap(face, other) < MOST_OVERLAP for other in kept):
            kept.append(face)
    return sorted((face for face in kept if face.area), key=lambda face: (-face.area, face))


def _overlap(one: Face, other: Face) -> float:
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one.area + other.area - shared) if shared else 0.0
