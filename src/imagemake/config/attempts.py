"""The sections `seed`, `attempts`, and `candidates`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from imagemake.config.chosen_plugins import Quantity, ReasonCode
from imagemake.config.fields import Section, Text
from imagemake.core.mistakes import mistake
from imagemake.core.recipe import LARGEST_EXACT_INTEGER, SEED_BITS


class Seed(Section):
    """Where seeds come from. Give exactly one of the two."""

    fixed: Annotated[int, Field(ge=0, lt=2**SEED_BITS)] | None = Field(
        None,
        description="One seed for every image, a whole number from 0 to 2^31 - 1. Take 1 uses exactly this seed; "
        "later takes use seeds derived from it.",
    )
    derived: Annotated[int, Field(ge=0, le=LARGEST_EXACT_INTEGER)] | None = Field(
        None,
        description="A separate seed for each image, derived from this whole number, the columns in name (except "
        "model), and the take. The order of rows and the prompt do not change it. Another number changes all seeds.",
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Seed:
        if (self.fixed is None) == (self.derived is None):
            raise mistake("a seed is either fixed or derived.", "Write seed: {fixed: 7} or seed: {derived: 0}.")
        return self


class Attempts(Section):
    """What happens after an image is rejected."""

    max: int = Field(3, ge=1, description="Most attempts per request, including the first. Each one costs money.")
    patches: Mapping[ReasonCode, Text] = Field(
        default_factory=dict,
        description="Text to append to the prompt after a rejection, by its reason: a check (tone.contrast), a measure "
        "(tone), near_duplicate, consistency, refused (by the provider), or review (by a person). A check's patch "
        "overrides its measure's.",
        examples=[{"tone": "Bright, even studio light."}],
    )


class Candidates(Section):
    """Several images per attempt, of which the best one is used."""

    n: int = Field(1, ge=1, le=16, description="Images per attempt, each with its own seed. Each one costs money.")
    best: Mapping[Quantity, float] = Field(
        default_factory=dict,
        description="Weights by measure.quantity; the accepted image with the highest weighted sum is used. A negative "
        "weight prefers low values. An image that a person approved always comes first.",
        examples=[{"sharpness.focus": 1.0, "tone.contrast": 0.5}],
    )

    @model_validator(mode="after")
    def _says_what_is_best(self) -> Candidates:
        if self.n > 1 and not self.best:
            raise mistake(f"n is {self.n}, but best is empty.", "Give the quantities that choose the best image.")
        return self
