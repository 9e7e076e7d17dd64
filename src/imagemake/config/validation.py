"""Which images are good enough: the checks of a campaign, and what images are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Strict, Tag

from imagemake.config.checks import DEFAULT_CHECKS, Check, Checks, comparable, limits_of, over_defaults
from imagemake.config.chosen_plugins import ChosenPlugin, Measures, Quantity, chosen_measure
from imagemake.config.fields import Section
from imagemake.config.similarity import Consistency, NearDuplicates
from imagemake.core.mistakes import TAGS, dotted, mistake
from imagemake.images.formats import FormatName
from imagemake.plugins.measures import ALWAYS_READ


def _sensible(check: Check) -> Check:
    limits = list(limits_of(check))
    if not limits:
        raise mistake("the check decides nothing.", "Give it reject, review, or both.")
    for keys, limit in limits:
        name = dotted(keys)
        if limit.min is None and limit.max is None:
            raise mistake(f"{name} has no limit.", f"Give {name} a min, a max, or both.")
        if limit.min is not None and limit.max is not None and limit.min > limit.max:
            raise mistake(f"{name} has a min of {limit.min:g} above its max of {limit.max:g}.", "Exchange them.")
    for place, override in enumerate(check.overrides):
        if not override.when:
            what = f"overrides[{place}].when is empty: these ranges would be those of every image."
            raise mistake(what, "Write them as the check's own, or say when.")
        if override.reject is None and override.review is None:
            raise mistake(f"overrides[{place}] changes nothing.", "Give it reject, review, or both.")
    return check


def _in_words(checks: Mapping[str, Check]) -> str:
    return "; ".join(f"{name} {check.model_dump_json(exclude_defaults=True)}" for name, check in checks.items())


class Validation(Section):
    """Which images are good enough. Changing this costs no call to a provider."""

    formats: Annotated[tuple[FormatName, ...], Strict(False)] = Field(
        ("jpeg", "png", "webp"), min_length=1, description="File formats that are accepted from a provider."
    )
    size: Literal["requested", "any"] = Field(
        "requested",
        description="requested: the image must have the width and height, in pixels, that parameters.size asks for; "
        "any: whatever comes is fine.",
    )
    measures: Measures = Field(
        default_factory=dict,
        description="Settings of measures, by name. A measure that only checks name needs no entry here; "
        "one that is here is read even if no check uses it.",
    )
    checks: Annotated[Mapping[Quantity, Annotated[Check, AfterValidator(_sensible)]], AfterValidator(comparable)] = (
        Field(
            default_factory=dict,
            description="Ranges of what is still good, in the unit of the quantity, by measure.quantity. Outside of "
            "reject, the image is rejected and tried again; outside of review, a person decides. These come on top "
            f"of checks that are always made, unless one of the same name is given here: {_in_words(DEFAULT_CHECKS)}.",
            examples=[{"tone.contrast": {"reject": {"min": 0.02}, "review": {"min": 0.05}}}],
        )
    )
    near_duplicates: Annotated[
        Annotated[NearDuplicates, Tag(TAGS[True])] | Annotated[Literal[False], Tag(TAGS[False])],
        Discriminator(lambda value: TAGS[value is not False]),
    ] = Field(
        default_factory=NearDuplicates,
        description="Compares all images of a release with each other, and rejects what looks like another; "
        "false does not. Where `model` is a variable, those of each model are compared by themselves.",
    )

    consistency: Consistency | None = Field(
        None,
        description="Compares the colors of each image with those of its group, at no cost: nothing is read again. "
        "Null does not.",
        examples=[{"by": ["product"], "max_distance": 8}],
    )

    def measures_needed(self) -> tuple[ChosenPlugin, ...]:
        """Return the measures to read from every image, by name: those listed, and those that a decision needs."""
        names = {*ALWAYS_READ, *self.measures, *(check.partition(".")[0] for check in self.checks)}
        return tuple(self.measures.get(name) or chosen_measure(name) for name in sorted(names))

    def all_checks(self) -> Checks:
        """Return the checks to make: those that are always made, and the campaign's own over them."""
        return Checks(over_defaults(self.checks))

    def columns_needed(self) -> tuple[str, ...]:
        """Return the columns whose values a verdict needs: compared ones, and those that override ranges."""
        compared = {check.variable for check in self.checks.values() if check.variable is not None}
        return tuple(sorted(compared.union(self.all_checks().columns)))
