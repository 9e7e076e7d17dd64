"""The sections `seed`, `attempts`, and `candidates`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field, Strict, model_validator

from imagemake.config.chosen_plugins import Quantity, ReasonCode
from imagemake.config.fields import Section, TemplateText, Text
from imagemake.config.placeholders import parse_template
from imagemake.config.rewrite import Rewrite
from imagemake.config.verdict_codes import VerdictCode
from imagemake.core.mistakes import Mistake, mistake, mistakes
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


class Remedy(StrEnum):
    """What follows a rejection."""

    PATCH = "patch"
    REGENERATE = "regenerate"
    REWRITE = "rewrite"
    REPAIR = "repair"
    NEXT_MODEL = "next_model"
    PERSON = "person"


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
    rewrite: Annotated[Rewrite, Strict(False)] | None = Field(
        None,
        description="The text model that rewrites prompts of rejected images. It gets the prompt, the reasons, and the "
        "judge's answers. Without this section, nothing is rewritten.",
        examples=[{"model": "gpt-6-luna", "keep": ["{slogan}"]}],
    )
    repair: Mapping[ReasonCode, TemplateText] = Field(
        default_factory=dict,
        description="Instructions by reason: the rejected image itself is sent back, with this text before its prompt, "
        "and is not made anew. Placeholders as in prompt. An image that a repair made is not repaired again.",
        examples=[{"judge.color": "Recolor the {product} to {color}. Change nothing else."}],
    )
    policy: Annotated[Mapping[ReasonCode, Annotated[Remedy, Strict(False)]], Strict(False)] = Field(
        default_factory=dict,
        description="What follows a rejection, by its reason, as in patches: patch (another seed, and the reason's "
        "patch if there is one), regenerate (the same prompt with another seed), rewrite, repair, next_model (the next "
        "one of several models in model_rules), or person (the image awaits review). The first reason that an image "
        "has decides. Default: repair if it has an instruction; else rewrite for checks and for what people rejected, "
        "if there is a section rewrite; else patch.",
        examples=[{"judge.color": "rewrite", "near_duplicate": "patch"}],
    )

    @model_validator(mode="after")
    def _can_rewrite(self) -> Attempts:
        found = []
        if self.rewrite is not None:
            found = [one._replace(location=("rewrite", *one.location)) for one in self.rewrite.mistakes()]
        for code, remedy in self.policy.items():
            if remedy is Remedy.REWRITE and self.rewrite is None:
                what = "there is no model to rewrite prompts."
                found.append(Mistake(("policy", code), what, "Name it under attempts.rewrite: {model: ...}."))
            if remedy is Remedy.REPAIR and not self.instruction(code):
                what = "there is no instruction for this repair."
                found.append(Mistake(("policy", code), what, f"Give it under attempts.repair: {{{code}: ...}}."))
            if remedy is Remedy.REGENERATE and code == VerdictCode.REFUSED:
                what = "a prompt that was refused would be refused again."
                found.append(Mistake(("policy", code), what, "Write patch, with attempts.patches.refused, or rewrite."))
        if found:
            raise mistakes(found)
        return self

    def instruction(self, code: str) -> str:
        """Return the template of the instruction that repairs an image; empty if there is none."""
        return self.repair.get(code) or self.repair.get(code.partition(".")[0]) or ""

    @property
    def repair_columns(self) -> set[str]:
        """The columns that instructions name."""
        return {name for text in self.repair.values() for name in parse_template(text).fields}

    def remedy(self, code: str, *, can_repair: bool = True, has_next: bool = True) -> Remedy:
        """Return what follows a rejection for a reason.

        Args:
            code: The reason's code.
            can_repair: Whether there is an image to repair that no repair made, and a model that takes it.
            has_next: Whether another model can make the image.
        """
        given = self.policy.get(code, self.policy.get(code.partition(".")[0]))
        is_possible = {Remedy.REPAIR: can_repair, Remedy.NEXT_MODEL: has_next}
        if given is not None and is_possible.get(given, True):
            return given
        if given is None and can_repair and self.instruction(code):
            return Remedy.REPAIR
        # The others say nothing that words could mend, and what a provider refused is only reworded on request.
        is_about_words = code not in tuple(VerdictCode) or code == VerdictCode.REVIEW
        return Remedy.REWRITE if self.rewrite is not None and is_about_words else Remedy.PATCH


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
