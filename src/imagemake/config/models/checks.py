"""Checks whether a model accepts a recipe, before any call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from imagemake.config.models.findings import ModelFinding, Severity, error, shown
from imagemake.config.models.size_checks import size_problems
from imagemake.config.models.table import Model
from imagemake.core.recipe import Recipe, canonical_json
from imagemake.images.formats import FORMATS, ImageFormat

RETIREMENT_NOTICE = timedelta(days=60)


def problems_of(model: Model, recipe: Recipe, today: date) -> list[ModelFinding]:
    """Find reasons not to send a recipe to its model.

    Call this only for images to generate: an image in the store no longer needs its model. Findings are comparable and
    hashable, so that one shared by thousands of recipes is reported once.

    Args:
        model: The model that the recipe names.
        recipe: The recipe.
        today: The day of the request.
    """
    parameters = recipe.parameters
    # Types matter because 1 == True == 1.0, and only one of them may be valid.
    values = tuple((name, _hashable(value)) for name, value in parameters.items())
    given = (values, tuple(map(type, parameters.values())))
    sent = len(recipe.references), recipe.mask is not None
    findings = list(_findings_but_prompt(model, given, recipe.negative_prompt is not None, sent, today))
    most = model.facts.max_prompt_characters
    if most is not None and len(recipe.prompt) > most:
        what = f"the prompt has {len(recipe.prompt):,} characters; {model.name} accepts at most {most:,}."
        findings.append(ModelFinding(Severity.ERROR, what, "Shorten the prompt template or the columns that it uses."))
    return findings


@lru_cache(maxsize=4096)
def _findings_but_prompt(
    model: Model,
    given: tuple[tuple[tuple[str, Any], ...], tuple[type, ...]],
    negative_prompt: bool,
    sent: tuple[int, bool],
    today: date,
) -> tuple[ModelFinding, ...]:
    parameters = dict(given[0])
    found = [
        *_retirement(model, today),
        *size_problems(model, parameters),
        *_parameters(model, parameters),
        *_combinations(parameters),
        *_sent(model, parameters, *sent),
    ]
    if negative_prompt and model.facts.negative_prompt is False:
        what = f"{model.name} accepts no negative prompt."
        found.append(error(what, "Describe in the prompt what to avoid, and remove negative_prompt."))
    return tuple(found)


class _Nested(str):
    """A list or mapping, as JSON: equal to no text that a rule lists."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Nested) and super().__eq__(other)

    __hash__ = str.__hash__

    def __repr__(self) -> str:
        return str(self)


def _hashable(value: Any) -> Any:
    return _Nested(canonical_json(value).decode()) if isinstance(value, list | tuple | Mapping) else value


def _retirement(model: Model, today: date) -> Iterator[ModelFinding]:
    day = model.facts.retires_on
    if day is None:
        return
    instead = " or ".join(model.facts.use_instead) or "another model"
    if today >= day:
        yield error(f"{model.name} was shut down on {day}.", f"Use {instead}.")
    elif day - today <= RETIREMENT_NOTICE:
        what = f"{model.name} will be shut down on {day}, in {(day - today).days} days."
        yield ModelFinding(Severity.WARNING, what, f"Switch to {instead} before then; images in the store stay.")


def _parameters(model: Model, parameters: Mapping[str, Any]) -> Iterator[ModelFinding]:
    rules = model.facts.parameters
    if rules is None:
        return
    for name, value in parameters.items():
        rule = rules.get(name)
        if name == "size":
            continue
        if rule is None:
            taken = ", ".join(sorted({"size", *(known for known, values in rules.items() if values is not None)}))
            yield error(f"{model.name} accepts no parameter {shown(name)}.", f"Remove it; accepted are {taken}.")
        elif (right := rule.right_values(value)) is not None:
            yield error(f"{model.name} does not accept {name} {shown(value)}.", f"Use {right}, or remove it.")


def _sent(model: Model, parameters: Mapping[str, Any], references: int, mask: bool) -> Iterator[ModelFinding]:
    facts = model.facts
    most = facts.max_reference_images
    if most is not None and references > most:
        what = f"{model.name} accepts at most {most} reference images, but this request has {references}."
        remedy = "Remove some." if most else "Remove them, or choose another model."
        yield error(what, f"{facts.reference_note} {remedy}" if facts.reference_note else remedy)
    if mask and facts.mask is False:
        yield error(f"{model.name} accepts no mask.", "Remove the mask, or choose another model.")
    if references and not mask and "mask_as" in parameters and "mask_as" in (facts.parameters or {}):
        yield error("mask_as says how the mask is sent, but there is no mask.", "Add a mask, or remove mask_as.")
    for name in parameters:
        rule = (facts.parameters or {}).get(name)
        if rule is None or rule.references is None or rule.references == (references > 0):
            continue
        when = "only with" if rule.references else "only without"
        yield error(f"{model.name} accepts {name} {when} reference images.", f"Remove {name}.")


def _combinations(parameters: Mapping[str, Any]) -> Iterator[ModelFinding]:
    image_format = parameters.get("output_format", "png")
    known = next((one for name, one in FORMATS.items() if name == image_format), None)
    if parameters.get("background") == "transparent" and not (known and known.has_alpha):
        what = f"output_format {shown(image_format)} has no transparency, but background is transparent."
        yield error(what, f"Set output_format to {_formats_with(lambda one: one.has_alpha)}, or background to opaque.")
    if "output_compression" in parameters and not (known and known.has_quality):
        fitting = _formats_with(lambda one: one.has_quality)
        what = f"output_compression does not apply to output_format {shown(image_format)}."
        yield error(what, f"Set output_format to {fitting}, or remove output_compression.")


def _formats_with(holds: Callable[[ImageFormat], bool]) -> str:
    return " or ".join(sorted(name for name, one in FORMATS.items() if one.is_reference and holds(one)))
