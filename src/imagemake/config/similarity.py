"""How alike images may be: near-duplicates and groups of one look."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from imagemake.config.fields import ColumnName, Section, Text


class NearDuplicates(Section):
    """When two pictures of a release count as one."""

    max_distance_bits: int = Field(
        4,
        ge=0,
        le=11,
        description="Largest difference between the perceptual hashes of two pictures that still makes them "
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
        "what they do in a shell. A new picture that is nearly an accepted one of them is rejected. The same "
        "request's own picture (the same name, or the same key) is none. Nothing under results/: that is written anew.",
        examples=[["releases/*/manifest.parquet"]],
    )


CONSISTENCY = "consistency"


LEAST_PICTURES = 4  # of three, nobody can say which one is odd


class Consistency(Section):
    """How far the colors of a picture may be from those of its group."""

    by: Annotated[tuple[ColumnName, ...], Strict(False)] = Field(
        min_length=1,
        description="Columns or variables: pictures that agree in all of them are a group. One of fewer than "
        f"{LEAST_PICTURES} good pictures says nothing.",
        examples=[["product"]],
    )
    max_distance: float = Field(
        5.0,
        gt=0,
        description="Largest good distance of a picture's mean color from the median of its group, in units of the CIE "
        "1976 color difference: 2 is just seen, 10 at a glance, black and white are 100 apart.",
    )
    max_spread: float = Field(
        3.0,
        ge=1,
        description="How many times the median distance of its group a picture must be away as well, a number without "
        "unit: a group whose pictures differ much by themselves has no odd one.",
    )
    outcome: Literal["review", "reject"] = Field(
        "review", description="What becomes of a picture that is too far away: a person decides, or it is rejected."
    )
