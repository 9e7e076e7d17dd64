"""Checks: good ranges of quantities, with overrides for a model or a group of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, Strict

from imagemake.config.fields import ColumnName, Section, Values
from imagemake.core.mistakes import Mistake, mistakes
from imagemake.plugins.measures import Measure, Value, measure_class


def comparable(checks: Mapping[str, Check]) -> Mapping[str, Check]:
    """Return the checks, by quantity, unchanged.

    Raises:
        PydanticCustomError: If one compares with nothing, with two texts, or with a text it does not understand.
    """
    found = [
        Mistake((name, *key), what, remedy)
        for name, check in checks.items()
        for key, what, remedy in _mistakes(name, check)
    ]
    if found:
        raise mistakes(found)
    return checks


@cache
def compared_by(check: str) -> type[Measure] | None:
    """Return the measure that compares a check's quantity with a text; None if it depends on the image alone."""
    measure, _, quantity = check.partition(".")
    kind = measure_class(measure)
    return kind if quantity in kind.compared else None


def _mistakes(name: str, check: Check) -> Iterator[tuple[tuple[str, ...], str, str]]:
    given = [key for key in ("variable", "value") if getattr(check, key) is not None]
    kind = compared_by(name)
    if kind is None:
        for key in given:
            yield (key,), f"{name} depends on the image alone and is not compared.", "Remove this key."
    elif len(given) > 1:
        yield (), "a check compares with a variable or a value, not both.", "Remove one of the two."
    elif not given and name.partition(".")[2] not in kind.compares_with_prompt:
        remedy = "Set variable to a column, or value to one text for all images."
        yield (), f"{name} needs something to compare with.", remedy
    elif check.value is not None and (complaint := kind.complaint(check.value)):
        yield ("value",), f"{check.value!r} {complaint}.", "Use other words."


MODEL = "model"  # in `when`: the label or name of the image's model, however it was selected


class Limit(Section):
    """The good range of a quantity."""

    min: float | None = Field(None, description="Smallest good value, in the quantity's unit.")
    max: float | None = Field(None, description="Largest good value, in the quantity's unit.")

    def broken_by(self, value: Value, quantity: str = "") -> str | None:
        """Return the limit that a value breaks, in words; None if it is within the range."""
        if isinstance(value, str):
            return None
        if self.min is not None and value < self.min:
            return f"at least {in_words(quantity, self.min)}"
        if self.max is not None and value > self.max:
            return f"at most {in_words(quantity, self.max)}"
        return None


class Override(Section):
    """Other ranges for some requests."""

    when: Mapping[ColumnName, Values] = Field(
        description="Values of columns and variables; requests that match all of them get these ranges. A list matches "
        "any of its values. `model` is a label in more_models or a model's name.",
        examples=[{"category": ["rings", "watches"]}, {"model": "flux"}],
    )
    reject: Limit | Literal[False] | None = Field(
        None, description="Replaces the check's reject. Null: keep it. false: reject nothing."
    )
    review: Limit | Literal[False] | None = Field(
        None, description="Replaces the check's review. Null: keep it. false: no review."
    )

    def holds_for(self, values: Mapping[str, str]) -> bool:
        """Return whether this override applies to a request with these values, including `model`."""
        return all(values.get(name) in wanted for name, wanted in self.when.items())


class Check(Section):
    """What happens to an image whose quantity is out of range."""

    reject: Limit | None = Field(None, description="Outside of this range, the image is rejected.")
    review: Limit | None = Field(None, description="Outside of this range, a person decides.")
    variable: str | None = Field(
        None,
        description="For compared quantities: the variable or column to compare with. If a request's value is empty, "
        "the check is skipped.",
        examples=["color"],
    )
    value: str | None = Field(
        None,
        description="For compared quantities: one text to compare every image with.",
        examples=["white"],
    )
    overrides: Annotated[tuple[Override, ...], Strict(False)] = Field(
        (),
        description="Other ranges for some requests, by model, column, or variable. The first match decides. A check "
        "without its own ranges applies to those requests only; a default check keeps its ranges for the others.",
        examples=[[{"when": {"category": "rings"}, "reject": {"min": 0.01}}]],
    )

    @property
    def of_whom(self) -> str:
        """Which images have these ranges, to append to a limit; empty for all images."""
        return ""


class OverriddenCheck(Check):
    """A check with the ranges of one of its overrides."""

    by: Override

    @property
    def of_whom(self) -> str:
        """Which images have these ranges: `` for category rings or watches``."""
        told = (f"{name} {' or '.join(values)}" for name, values in self.by.when.items())
        return f" for {' and '.join(told)}"


# Made on every image. Photographs and drawings on white are well inside; blank, washed-out, and blurred ones outside.
DEFAULT_CHECKS: Mapping[str, Check] = {
    "tone.uniform_share": Check(reject=Limit(max=0.995), review=Limit(max=0.98)),
    "tone.contrast": Check(reject=Limit(min=0.02), review=Limit(min=0.035)),
    "sharpness.focus": Check(review=Limit(min=0.5)),
}

# Made if `remove_background` cuts images out with the network of this package, which is often wrong where it doubts.
MASK_DOUBT = "subject.mask_doubt"
MOST_DOUBT = 0.1
DOUBTFUL_MASK = Check(review=Limit(max=MOST_DOUBT))


class Checks:
    """The checks of a campaign, resolved per request.

    Args:
        checks: By quantity.

    Attributes:
        columns: The columns that overrides use, including `model`.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        overrides = [override for check in checks.values() for override in check.overrides]
        self.columns = tuple(sorted({name for override in overrides for name in override.when}))
        self._known: dict[tuple[str, ...], Mapping[str, Check]] = {}  # few: one per combination of values

    def of(self, variables: Mapping[str, str], model: str) -> Mapping[str, Check]:
        """Return the checks of a request, by quantity, with its ranges.

        Args:
            variables: Its values by column; at least those in `columns`.
            model: The model as the user names it.
        """
        if not self.columns:
            return self._checks
        values = {name: model if name == MODEL else variables.get(name, "") for name in self.columns}
        key = tuple(values.values())
        if key not in self._known:
            self._known[key] = {name: _of_request(check, values) for name, check in self._checks.items()}
        return self._known[key]


def over_defaults(checks: Mapping[str, Check], more: Mapping[str, Check] | None = None) -> Mapping[str, Check]:
    """Return the default checks, by quantity, overridden by a campaign's own.

    Args:
        checks: The campaign's own.
        more: Default checks of this campaign only, as those of its questions.
    """
    defaults = {**DEFAULT_CHECKS, **(more or {})}
    merged = {**defaults, **checks}
    for name, check in checks.items():
        if name in defaults and check.reject is None and check.review is None:  # only overrides
            merged[name] = defaults[name].model_copy(update={"overrides": check.overrides})
    return merged


def limits_of(check: Check) -> Iterator[tuple[tuple[str | int, ...], Limit]]:
    """Yield each range of a check with its keys."""
    givers: list[tuple[tuple[str | int, ...], Check | Override]] = [((), check)]
    givers += [(("overrides", place), override) for place, override in enumerate(check.overrides)]
    for keys, giver in givers:
        for name, limit in (("reject", giver.reject), ("review", giver.review)):
            if limit:
                yield (*keys, name), limit


def in_words(quantity: str, value: Value) -> str:
    """Format a value for people: shares in percent."""
    if isinstance(value, str):
        return value
    return f"{100 * value:.4g} %" if quantity.endswith("share") else f"{value:.4g}"


def _of_request(check: Check, values: Mapping[str, str]) -> Check:
    override = next((override for override in check.overrides if override.holds_for(values)), None)
    if override is None:
        return check
    reject, review = (
        own if other is None else other or None
        for own, other in ((check.reject, override.reject), (check.review, override.review))
    )
    return OverriddenCheck(reject=reject, review=review, variable=check.variable, value=check.value, by=override)
