"""The section `validation`: which images are accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Strict, Tag, model_validator

from imagemake.config.asked import Asked, asked_by, asking_mistakes, unknown_questions
from imagemake.config.checks import (
    DEFAULT_CHECKS,
    DOUBTFUL_MASK,
    MASK_DOUBT,
    Check,
    Checks,
    comparable,
    limits_of,
    over_defaults,
)
from imagemake.config.chosen_plugins import ChosenPlugin, Measures, Quantity, chosen_measure
from imagemake.config.fields import Section
from imagemake.config.similarity import Consistency, NearDuplicates
from imagemake.core.mistakes import TAGS, Mistake, dotted, mistake, mistakes
from imagemake.images.formats import FormatName
from imagemake.plugins.measures import ALWAYS_READ, is_asked, measure_class


def _sensible(check: Check) -> Check:
    limits = list(limits_of(check))
    if not limits:
        raise mistake("the check has no limits.", "Give it reject, review, or both.")
    for keys, limit in limits:
        name = dotted(keys)
        if limit.min is None and limit.max is None:
            raise mistake(f"{name} has no limit.", f"Give {name} a min, a max, or both.")
        if limit.min is not None and limit.max is not None and limit.min > limit.max:
            raise mistake(f"{name} has a min of {limit.min:g} above its max of {limit.max:g}.", "Swap min and max.")
    for place, override in enumerate(check.overrides):
        if not override.when:
            what = f"overrides[{place}].when is empty, so these limits would apply to every image."
            raise mistake(what, "Move them to the check itself, or fill in when.")
        if override.reject is None and override.review is None:
            raise mistake(f"overrides[{place}] changes nothing.", "Give it reject, review, or both.")
    return check


def _in_words(checks: Mapping[str, Check]) -> str:
    ranges = {name: check.model_dump_json(exclude_defaults=True).replace('"', "") for name, check in checks.items()}
    return ", ".join(f"`{name}: {words.replace(':', ': ').replace(',', ', ')}`" for name, words in ranges.items())


class Validation(Section):
    """Which images are accepted. A change here makes no call by itself; a new rejection leads to a new attempt."""

    formats: Annotated[tuple[FormatName, ...], Strict(False)] = Field(
        ("jpeg", "png", "webp"), min_length=1, description="File formats that are accepted from the provider."
    )
    size: Literal["requested", "any"] = Field(
        "requested",
        description="requested: the image must have the size in pixels that parameters.size requests. any: every size "
        "is accepted.",
    )
    measures: Measures = Field(
        default_factory=dict,
        description="Settings of measures, by name. A measure that a check names needs no entry. A measure with an "
        "entry is read even if no check uses it. `judge` and `moderation` ask servers, by calls that may cost money.",
    )
    checks: Annotated[Mapping[Quantity, Annotated[Check, AfterValidator(_sensible)]], AfterValidator(comparable)] = (
        Field(
            default_factory=dict,
            description="Good ranges by measure.quantity, in the quantity's unit. Outside of reject, the image is "
            "rejected and attempted again; outside of review, a person decides. These checks are always made, unless "
            f"you give one with the same name: {_in_words(DEFAULT_CHECKS)}. With "
            f"`remove_background` and no model of yours, so is {_in_words({MASK_DOUBT: DOUBTFUL_MASK})}.",
            examples=[{"tone.contrast": {"reject": {"min": 0.02}, "review": {"min": 0.05}}}],
        )
    )
    near_duplicates: Annotated[
        Annotated[NearDuplicates, Tag(TAGS[True])] | Annotated[Literal[False], Tag(TAGS[False])],
        Discriminator(lambda value: TAGS[value is not False]),
    ] = Field(
        default_factory=NearDuplicates,
        description="Finds images that look like another one of the release; false turns this off. If `model` is a "
        "variable, each model's images are compared separately.",
    )

    consistency: Consistency | None = Field(
        None,
        description="Compares the colors of each image with its group; the measure `colors` is read for it. Null turns "
        "this off.",
        examples=[{"by": ["product"], "max_distance": 8}],
    )

    def measures_needed(self) -> tuple[ChosenPlugin, ...]:
        """Return the measures to read from every image, sorted by name: configured ones, and those that are needed."""
        names = {*ALWAYS_READ, *self.measures, *(check.partition(".")[0] for check in self.checks)}
        if self.consistency is not None:
            names.add("colors")
        return tuple(self.measures.get(name) or chosen_measure(name) for name in sorted(names) if not is_asked(name))

    def identities(self) -> list[str]:
        """Return the identities of all that values are kept of: of measures, and of models that are asked."""
        return [*(one.identity for one in self.measures_needed()), *(one.identity for one in self.asked.askers)]

    @cached_property
    def asked(self) -> Asked:
        """What models are asked about images that other checks do not reject."""
        return asked_by(self.measures)

    def all_checks(self) -> Checks:
        """Return the default checks, overridden by the campaign's own."""
        return Checks(over_defaults(self.checks, self.asked.checks()))

    def columns_needed(self) -> tuple[str, ...]:
        """Return the columns that a verdict needs: compared ones, and those that select overrides."""
        compared = {check.variable for check in self.checks.values() if check.variable is not None}
        return tuple(sorted(compared.union(self.all_checks().columns, self.asked.columns)))

    @model_validator(mode="after")
    def _can_be_asked(self) -> Validation:
        found = [one._replace(location=("measures", *one.location)) for one in asking_mistakes(self.measures)]
        if not found:
            found = [
                one._replace(location=("checks", *one.location)) for one in unknown_questions(self.checks, self.asked)
            ]
        if found := [*found, *_unnamed(self.checks, self.measures)]:
            raise mistakes(found)
        return self


def _unnamed(checks: Mapping[str, Check], measures: Mapping[str, ChosenPlugin]) -> Iterator[Mistake]:
    """Yield the checks of quantities that no setting of their measure names."""
    for check in checks:
        name, _, quantity = check.partition(".")
        kind = measure_class(name)
        if kind.names_quantities and not is_asked(name):
            settings = measures[name].settings if name in measures else {}
            known = list(kind.named(kind.Settings.model_validate(settings)))
            if quantity not in known:
                told = f"Known are {', '.join(known)}." if known else f"Name it under measures.{name}."
                yield Mistake(("checks", check), f"no setting of {name} names {quantity!r}.", told)
