"""The subject: whether there is one, how much of the image it covers, where it is, and whether it is cut off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from imagemake.images.networks.subject_mask import SubjectMask, box_of, without_specks
from imagemake.plugins.measures import Measure, Value

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage

LEAST_CUT = 0.02  # share of an edge that the subject must touch to be cut off there


class SubjectSettings(BaseModel):
    """At which size the subject is detected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side_px: int = Field(
        default=256,
        ge=160,
        le=320,
        multiple_of=32,
        description="Side in pixels of the square at which the subject is detected. The network was trained at 320. "
        "256 takes two thirds of the time; 192 takes a third, but misses thin parts.",
    )


class Subject(Measure):
    """Detects the subject with U²-Net (small, Qin et al. 2020, arXiv 2005.09007); this package has the weights."""

    version: ClassVar[int] = 1
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
    }
    phrases: ClassVar[Mapping[str, str]] = {
        "share": "the subject covers {this}",
        "cut_share": "the subject touches {this} of an edge",
        "cut_edges": "the subject is cut off at {this} edge(s)",
        "parts": "the subject has {this} part(s)",
    }
    Settings: ClassVar[type[BaseModel]] = SubjectSettings
    settings: SubjectSettings

    def __init__(self, settings: SubjectSettings) -> None:
        super().__init__(settings)
        self._mask = SubjectMask(self.settings.side_px)

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity."""
        mask = self._mask.of(image.shrunk(2 * self.settings.side_px))
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
        values["certainty"] = round(float(mask[is_subject].mean()), 4)
        return values
