"""How alike images may be: near-duplicates and groups of one look."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from imagemake.config.fields import ColumnName, Section, Text


class NearDuplicates(Section):
    """When two images of a release count as one."""

    max_distance_bits: int = Field(
        4,
        ge=0,
        le=11,
        description="Largest difference between the perceptual hashes of two images that still makes them "
        "near-duplicates, in bits of 64. Re-encoding and resizing change at most 4 bits, a 2 % crop 4 to 8.",
    )
    max_color_levels: int = Field(
        6,
        ge=0,
        le=255,
        description="Largest difference of any mean color in a grid of 3 x 3 fields that still makes them "
        "near-duplicates, in levels of 0 to 255: the perceptual hash sees no colors, and a red mug is no blue one. "
        "Re-encoding changes 1 level, a 2 % crop 4 to 7, white to ivory 7.",
    )
    earlier: Annotated[tuple[Text, ...], Strict(False)] = Field(
        (),
        description="Manifests (manifest.parquet) of earlier releases, from the project's folder; * and ? stand for "
        "what they do in a shell. A new image that is nearly an accepted one of them is rejected. The same "
        "request's own image (the same name, or the same key) is none. Nothing under results/: that is written anew.",
        examples=[["releases/*/manifest.parquet"]],
    )


LEAST_IMAGES = 4  # of three, nobody can say which one is odd


class Consistency(Section):
    """How far the colors of an image may be from those of its group."""

    by: Annotated[tuple[ColumnName, ...], Strict(False)] = Field(
        min_length=1,
        description="Columns or variables: images that agree in all of them are a group. One of fewer than "
        f"{LEAST_IMAGES} good images says nothing.",
        examples=[["product"]],
    )
    max_distance: float = Field(
        5.0,
        gt=0,
        description="Largest good distance of an image's mean color from the median of its group, in units of the CIE "
        "1976 color difference: 2 is just seen, 10 at a glance, black and white are 100 apart.",
    )
    max_spread: float = Field(
        3.0,
        ge=1,
        description="How many times the median distance of its group an image must be away as well, a number without "
        "unit: a group whose images differ much by themselves has no odd one.",
    )
    outcome: Literal["review", "reject"] = Field(
        "review", description="What becomes of an image that is too far away: a person decides, or it is rejected."
    )
