"""The subject: whether there is one, how much of the image it covers, where it is, and whether it is cut off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from imagemake.images.networks.subject_mask import box_of, without_specks
from imagemake.images.subject_fields import fields_of
from imagemake.plugins.mask_model import MaskModelSettings, MasksSubject
from imagemake.plugins.measures import Box, Measure, Value
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagemake.images.decoded import DecodedImage

DOUBT_PX = 256  # side of the mask at which doubt is read
UNSURE = 0.15, 0.85  # between these, a pixel is neither clearly in nor out
LEAST_CUT = 0.02  # share of an edge that the subject must touch to be cut off there
REPAIRED_DEPTH = 0.2  # of the image, inward from an edge that cuts the subject off


class SubjectSettings(MaskModelSettings):
    """At which size the subject is detected, and by which network."""

    side_px: int = Field(
        default=256,
        ge=160,
        le=320,
        multiple_of=32,
        description="Side in pixels of the square at which the subject is detected. The network was trained at 320. "
        "256 takes two thirds of the time; 192 takes a third, but misses thin parts. It does not "
        "apply to a model of your own.",
    )


class Subject(MasksSubject, Measure):
    """Finds the subject: whether there is one, where it is, and whether an edge cuts it off.

    The network is the small U²-Net (Qin et al. 2020, arXiv 2005.09007). This package includes its weights. If
    `remove_background` uses a model of yours, name it here too, so that `mask_doubt` is about its masks.
    """

    version: ClassVar[int] = 3
    paths: ClassVar[frozenset[str]] = frozenset({"model"})
    quantities: ClassVar[Mapping[str, str]] = {
        "share": "share of the image that the subject covers, 0 to 1; 0 if there is no subject",
        "left": "left edge of the subject's box, 0 to 1; like the following, missing if there is no subject",
        "top": "top edge of its box, 0 to 1",
        "right": "right edge of its box, 0 to 1",
        "bottom": "bottom edge of its box, 0 to 1",
        "off_center": "distance of its box's center from the image's center, 0 to 1: the larger of both directions, "
        "as a share of half the side",
        "cut_share": "largest share of one edge of the image that the subject touches, 0 to 1; above 0.02 it is cut "
        "off there",
        "cut_edges": "number of image edges that cut it off",
        "parts": "number of separate parts; two or more can be several objects",
        "certainty": "mean certainty of the mask over the subject, 0.5 to 1",
        "mask_doubt": "share of the possible subject that is neither clearly in nor out, 0 to 1, without soft edges; "
        "above 0.1, look at what `remove_background` makes of it",
    }
    phrases: ClassVar[Mapping[str, str]] = {
        "share": "the subject covers {this}",
        "cut_share": "the subject touches {this} of an edge",
        "cut_edges": "the subject is cut off at {this} edge(s)",
        "parts": "the subject has {this} part(s)",
        "mask_doubt": "{this} of the subject is neither clearly in nor out",
    }
    Settings: ClassVar[type[PluginSettings]] = SubjectSettings
    settings: SubjectSettings

    def __init__(self, settings: SubjectSettings) -> None:
        super().__init__(settings)
        self._mask = settings.masks(settings.side_px)

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity."""
        mask = self._mask.of(image.shrunk(2 * self._mask.side_px))
        is_subject, parts = without_specks(mask > 0.5)
        share = float(is_subject.mean())
        values: dict[str, Value] = {"share": round(share, 4), "cut_edges": 0, "parts": parts}
        if not parts:
            return values
        left, top, right, bottom = box_of(is_subject)
        touched = [float(edge.mean()) for edge in (is_subject[0], is_subject[-1], is_subject[:, 0], is_subject[:, -1])]
        values |= {"left": round(left, 4), "top": round(top, 4), "right": round(right, 4), "bottom": round(bottom, 4)}
        values["off_center"] = round(max(abs(left + right - 1), abs(top + bottom - 1)), 4)
        values["cut_share"] = round(max(touched), 4)
        values["cut_edges"] = sum(edge > LEAST_CUT for edge in touched)
        values["_fields"] = fields_of(is_subject)
        values["certainty"] = round(float(mask[is_subject].mean()), 4)
        values["mask_doubt"] = round(_doubt(mask), 4)
        return values

    @staticmethod
    def places(quantity: str, values: Mapping[str, Value], wanted: str, *, is_high: bool) -> Iterable[Box]:
        """Return strips along the edges that cut the subject off."""
        if quantity not in ("cut_edges", "cut_share"):
            return []
        strips = {
            "left": Box(0, 0, REPAIRED_DEPTH, 1),
            "top": Box(0, 0, 1, REPAIRED_DEPTH),
            "right": Box(1 - REPAIRED_DEPTH, 0, 1, 1),
            "bottom": Box(0, 1 - REPAIRED_DEPTH, 1, 1),
        }
        ends = {"left": 0, "top": 0, "right": 1, "bottom": 1}
        return [strip for edge, strip in strips.items() if values.get(f"subject.{edge}") == ends[edge]]


def _doubt(mask: NDArray[np.float32]) -> float:
    """Return the unsure share of what may be the subject; edges up to two fields wide are not unsure."""
    import cv2
    import numpy as np

    scale = min(1.0, DOUBT_PX / max(mask.shape))
    small = cv2.resize(mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else mask
    is_unsure = ((small > UNSURE[0]) & (small < UNSURE[1])).astype(np.uint8)
    wide = cv2.morphologyEx(is_unsure, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return float(wide.sum()) / max(1, int((small > UNSURE[0]).sum()))
