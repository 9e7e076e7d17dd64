"""How similar images may be (near-duplicates), and must be (consistency within a group)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from imagemake.config.fields import ColumnName, Section, Text
from imagemake.core.mistakes import Mistake, mistakes

# Of images that are the same but for encoding and size: the largest differences measured are 4 bits and 4 levels.
SAME_BITS, SAME_LEVELS = 4, 6


class NearDuplicates(Section):
    """When two images count as near-duplicates."""

    max_distance_bits: int = Field(
        10,
        ge=0,
        le=11,
        description="Largest difference of the perceptual hashes of near-duplicates, in bits of 64. Encoding and "
        "resizing change up to 4 bits, cutting 2 % off each side 4 to 10. 0 to 11.",
    )
    max_color_levels: int = Field(
        16,
        ge=0,
        le=255,
        description="Largest difference of the mean colors of near-duplicates, in levels of 0 to 255, in any field of "
        "a 3 x 3 grid. It tells a red mug from a blue one, which the hash cannot. Encoding changes up to 2 levels, "
        "cutting 2 % off each side up to 18, 6 % more or less light up to 16.",
    )
    flips: bool = Field(True, description="Whether a mirror image is a near-duplicate too.")
    outcome: Literal["review", "reject"] = Field(
        "review",
        description="What happens to a near-duplicate that differs by more than encoding and size, which is more than "
        f"{SAME_BITS} bits or {SAME_LEVELS} levels, or is mirrored: a person decides, or it is rejected. What differs "
        "less is always rejected.",
    )
    earlier: Annotated[tuple[Text, ...], Strict(False)] = Field(
        (),
        description="Manifests (manifest.parquet) of earlier releases, relative to the project; * and ? work as in a "
        "shell. New images are compared with the accepted ones there, except for those of the same request (same name "
        "or key). Not under results/, which each run overwrites.",
        examples=[["releases/*/manifest.parquet"]],
    )


LEAST_IMAGES = 4  # among three, none is clearly the odd one


class Consistency(Section):
    """How far an image's colors may be from those of its group, and of the image that it is made from."""

    by: Annotated[tuple[ColumnName, ...], Strict(False)] = Field(
        (),
        description="Columns or variables: images with the same values form a group. Groups of fewer than "
        f"{LEAST_IMAGES} good images are not checked. Without any, no group is.",
        examples=[["product"]],
    )
    max_distance: float = Field(
        5.0,
        gt=0,
        description="Largest good distance of an image's mean color from the median of its group, in units of the CIE "
        "1976 color difference: 2 is barely visible, 10 is obvious, and black and white are 100 apart.",
    )
    max_spread: float = Field(
        3.0,
        ge=1,
        description="The distance must also exceed this many times the median distance of the group, so that a group "
        "of varied images has no odd one.",
    )
    max_from_parent: float | None = Field(
        None,
        gt=0,
        description="Largest good distance of an image's mean color from that of the image of the campaign that it is "
        "made from, in the same units; of the nearest one if there are several. Null: they are not compared.",
    )
    outcome: Literal["review", "reject"] = Field(
        "review", description="What happens to an image that is too far away: a person decides, or it is rejected."
    )

    @model_validator(mode="after")
    def _compares_something(self) -> Consistency:
        if not self.by and self.max_from_parent is None:
            raise mistakes([Mistake((), "nothing is compared.", "Set by, max_from_parent, or both.")])
        return self
