"""What is still good: ranges of quantities, for all images, or other ones for those of a model or a group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict

from imagemake.config.fields import ColumnName, Values
from imagemake.core.mistakes import Mistake, mistakes
from imagemake.plugins.measures import Measure, Value, measure_class


def comparable(checks: Mapping[str, Check]) -> Mapping[str, Check]:
    """Return the checks, by quantity, as they are.

    Raises:
        PydanticCustomError: If one compares with nothing, with two things, or with what it cannot understand.
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
            yield (key,), f"{name} is compared with nothing.", "Leave it out: the quantity is the image's alone."
    elif len(given) > 1:
        yield (), "a check compares with a variable or with a value, not with both.", "Leave one of the two out."
    elif not given and name.partition(".")[2] not in kind.compares_with_prompt:
        remedy = "Name the column in variable, or one value for all images in value."
        yield (), f"{name} is compared with what was asked for, and nothing says where that stands.", remedy
    elif check.value is not None and (complaint := kind.complaint(check.value)):
        yield ("value",), f"{check.value!r} {complaint}.", "Write it in other words."


MODEL = "model"  # in `when`, the label or name of the model that makes an image, however it was chosen


class Limit(BaseModel):
    """The range of a quantity that is still good."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: float | None = Field(None, description="Smallest good value, in the quantity's unit.")
    max: float | None = Field(None, description="Largest good value, in the quantity's unit.")

    def broken_by(self, value: Value, quantity: str = "") -> str | None:
        """Say in words which end of the range a value is beyond; None where it is within."""
        if isinstance(value, str):
            return None
        if self.min is not None and value < self.min:
            return f"at least {in_words(quantity, self.min)}"
        if self.max is not None and value > self.max:
            return f"at most {in_words(quantity, self.max)}"
        return None


class Override(BaseModel):
    """Other ranges for some images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Mapping[ColumnName, Values] = Field(
        description="Values of columns and variables; a request that has all of them gets these ranges. A list means "
        "any of its values. `model` means who makes the image: a label of more_models, or a model's name.",
        examples=[{"category": ["rings", "watches"]}, {"model": "flux"}],
    )
    reject: Limit | Literal[False] | None = Field(
        None, description="In place of the check's reject; left out, that one holds, and false rejects nothing."
    )
    review: Limit | Literal[False] | None = Field(
        None, description="In place of the check's review; left out, that one holds, and false asks nobody."
    )

    def holds_for(self, values: Mapping[str, str]) -> bool:
        """Say whether a request is meant, by its values and `model`."""
        return all(values.get(name) in wanted for name, wanted in self.when.items())


class Check(BaseModel):
    """What becomes of an image whose quantity is out of range."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reject: Limit | None = Field(None, description="Outside of this range, the image is rejected.")
    review: Limit | None = Field(None, description="Outside of this range, a person decides.")
    variable: str | None = Field(
        None,
        description="For quantities that are compared: the variable or column whose value the image is compared "
        "with. Where a request's value is empty, the check is not made.",
        examples=["color"],
    )
    value: str | None = Field(
        None,
        description="For quantities that are compared: one value to compare every image with.",
        examples=["white"],
    )
    overrides: Annotated[tuple[Override, ...], Strict(False)] = Field(
        (),
        description="Other ranges for some requests, by model, column or variable: the first one that holds decides. "
        "A check that has no range of its own is made for those requests only, or, if it is one that is always made, "
        "as ever for the others.",
        examples=[[{"when": {"category": "rings"}, "reject": {"min": 0.01}}]],
    )

    @property
    def of_whom(self) -> str:
        """Which images have these ranges, to say behind a limit; empty for all of them."""
        return ""


class OverriddenCheck(Check):
    """A check with the ranges that one of its overrides gives."""

    by: Override

    @property
    def of_whom(self) -> str:
        """Which images have these ranges: `` for category rings or watches``."""
        told = (f"{name} {' or '.join(values)}" for name, values in self.by.when.items())
        return f" for {' and '.join(told)}"


# Made on every image. Photographs and drawings on white are far inside; blank, washed-out and blurred ones outside.
DEFAULT_CHECKS: Mapping[str, Check] = {
    "tone.uniform_share": Check(reject=Limit(max=0.995), review=Limit(max=0.98)),
    "tone.contrast": Check(reject=Limit(min=0.02), review=Limit(min=0.035)),
    "sharpness.focus": Check(review=Limit(min=0.5)),
}


class Checks:
    """The checks of a campaign, as they are for each request.

    Args:
        checks: By quantity.

    Attributes:
        columns: What overrides name, `model` among it.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        overrides = [override for check in checks.values() for override in check.overrides]
        self.columns = tuple(sorted({name for override in overrides for name in override.when}))
        self._known: dict[tuple[str, ...], Mapping[str, Check]] = {}  # few: one a combination of values

    def of(self, variables: Mapping[str, str], model: str) -> Mapping[str, Check]:
        """Return the checks of a request, by quantity, with the ranges that hold for it.

        Args:
            variables: Its values by column; those of `columns` are enough.
            model: Who makes it, as the user names it.
        """
        if not self.columns:
            return self._checks
        values = {name: model if name == MODEL else variables.get(name, "") for name in self.columns}
        key = tuple(values.values())
        if key not in self._known:
            self._known[key] = {name: _of_request(check, values) for name, check in self._checks.items()}
        return self._known[key]


def over_defaults(checks: Mapping[str, Check]) -> Mapping[str, Check]:
    """Return the checks to make, by quantity: those that are always made, and a campaign's own over them."""
    merged = {**DEFAULT_CHECKS, **checks}
    for name, check in checks.items():
        if name in DEFAULT_CHECKS and check.reject is None and check.review is None:  # overrides, and nothing else
            merged[name] = DEFAULT_CHECKS[name].model_copy(update={"overrides": check.overrides})
    return merged


def limits_of(check: Check) -> Iterator[tuple[tuple[str | int, ...], Limit]]:
    """Yield each range of a check with the keys that lead to it."""
    givers: list[tuple[tuple[str | int, ...], Check | Override]] = [((), check)]
    givers += [(("overrides", place), override) for place, override in enumerate(check.overrides)]
    for keys, giver in givers:
        for name, limit in (("reject", giver.reject), ("review", giver.review)):
            if limit:
                yield (*keys, name), limit


def in_words(quantity: str, value: Value) -> str:
    """Write a number as people read it: shares in percent."""
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
