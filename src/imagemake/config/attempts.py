"""Which seed an image gets, how often it is tried again, and of how many the best one is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from imagemake.config.chosen_plugins import Quantity, ReasonCode
from imagemake.config.fields import Section, Text
from imagemake.core.mistakes import mistake
from imagemake.core.recipe import LARGEST_EXACT_INTEGER, SEED_BITS


class Seed(Section):
    """Where seeds come from: give one of the two."""

    fixed: Annotated[int, Field(ge=0, lt=2**SEED_BITS)] | None = Field(
        None,
        description="One seed for every image, a whole number from 0 to 2^31 - 1. Take 1 has exactly this seed; "
        "later takes have seeds that are derived from it.",
    )
    derived: Annotated[int, Field(ge=0, le=LARGEST_EXACT_INTEGER)] | None = Field(
        None,
        description="A seed of its own for every image, derived from this whole number, the values of the columns "
        "that name uses (but model), and the take: neither the order of rows nor an edited prompt changes it. Another "
        "number here gives other seeds everywhere.",
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Seed:
        if (self.fixed is None) == (self.derived is None):
            raise mistake("a seed is either fixed or derived.", "Write seed: {fixed: 7} or seed: {derived: 0}.")
        return self


class Attempts(Section):
    """What happens after an image is rejected."""

    max: int = Field(3, ge=1, description="Attempts a request gets, the first included; each one is paid for.")
    patches: Mapping[ReasonCode, Text] = Field(
        default_factory=dict,
        description="Text appended to the prompt of the attempts that follow a rejection, by its reason: a check "
        "(tone.contrast), a whole measure (tone), near_duplicate, consistency, refused (by the provider), or review "
        "(a person). A check's own patch goes before its measure's.",
        examples=[{"tone": "Bright, even studio light."}],
    )


class Candidates(Section):
    """Several images of each attempt, of which the best one goes on."""

    n: int = Field(1, ge=1, le=16, description="Images of each attempt, with seeds of their own; each is paid for.")
    best: Mapping[Quantity, float] = Field(
        default_factory=dict,
        description="What makes a good image the best one: weights by measure.quantity, in the unit of the quantity; "
        "a negative one counts against it. One that a person approved comes before all others.",
        examples=[{"sharpness.focus": 1.0, "tone.contrast": 0.5}],
    )

    @model_validator(mode="after")
    def _says_what_is_best(self) -> Candidates:
        if self.n > 1 and not self.best:
            raise mistake(f"n is {self.n}, but best says nothing.", "Say by which quantities the best one is chosen.")
        return self
