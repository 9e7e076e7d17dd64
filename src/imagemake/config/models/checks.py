"""Checks whether a model accepts a recipe, before any call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from imagemake.config.models.facts import ModelFacts, ParameterRule, SizeRule
from imagemake.config.models.table import Model
from imagemake.core.recipe import Recipe, canonical_json
from imagemake.images.formats import FORMATS, ImageFormat
from imagemake.plugins.providers.sizes import parse_size, without_tiers

RETIREMENT_NOTICE = timedelta(days=60)
SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")
SHOWN_CHARACTERS = 60


class Severity(StrEnum):
    """What a finding means."""

    ERROR = "error"  # the provider will reject this
    WARNING = "warning"  # it works today


@dataclass(frozen=True, slots=True)
class ModelFinding:
    """Something in a recipe that its model does not accept, or soon will not.

    Attributes:
        severity: Whether it stops the request.
        what: The value and the rule that it breaks.
        remedy: What to do about it, a whole sentence.
    """

    severity: Severity
    what: str
    remedy: str


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
        *_size(model, parameters),
        *_ratio(model, parameters),
        *_parameters(model, parameters),
        *_combinations(parameters),
        *_sent(model, parameters, *sent),
    ]
    if negative_prompt and model.facts.negative_prompt is False:
        what = f"{model.name} accepts no negative prompt."
        found.append(_error(what, "Describe in the prompt what to avoid, and remove negative_prompt."))
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


def _error(what: str, remedy: str) -> ModelFinding:
    return ModelFinding(Severity.ERROR, what, remedy)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _retirement(model: Model, today: date) -> Iterator[ModelFinding]:
    day = model.facts.retires_on
    if day is None:
        return
    instead = " or ".join(model.facts.use_instead) or "another model"
    if today >= day:
        yield _error(f"{model.name} was shut down on {day}.", f"Use {instead}.")
    elif day - today <= RETIREMENT_NOTICE:
        what = f"{model.name} will be shut down on {day}, in {(day - today).days} days."
        yield ModelFinding(Severity.WARNING, what, f"Switch to {instead} before then; images in the store stay.")


def _size(model: Model, parameters: Mapping[str, Any]) -> Iterator[ModelFinding]:
    facts, size = model.facts, parameters.get("size")
    if size is None or (facts.sizes is None and facts.size_rule is None) or size in (facts.sizes or ()):
        return
    edges = SIZE.fullmatch(size) if isinstance(size, str) else None
    if facts.size_rule is None or edges is None:
        broken = ["is not one of its sizes"]
    else:
        broken = list(_broken(facts.size_rule, int(edges[1]), int(edges[2])))
    if broken:
        yield _error(
            f"size {_shown(size)} {' and '.join(broken)}, so {model.name} does not accept it.", _sizes_taken(facts)
        )


def _ratio(model: Model, parameters: Mapping[str, Any]) -> Iterator[ModelFinding]:
    """Check a size such as ``2:3@2K`` where facts tell ratios and tiers as parameters."""
    size, rules = parse_size(given := parameters.get("size")), model.facts.parameters
    if rules is None or model.facts.sizes or model.facts.size_rule or (size is not None and size.is_pixels):
        return
    ratio = None if size is None else f"{size.width}:{size.height}"
    bare = given if given != "auto" and "resolution" in rules else None  # such as 2K
    tier = bare if size is None else size.tier
    for name, value in (("aspect_ratio", ratio), ("resolution", tier)):
        rule = rules.get(name)
        right = "a size without it" if rule is None else _right_values(rule, value)
        if value is not None and right is not None:
            what = f"{model.name} does not accept {name.replace('_', ' ')} {_shown(value)}, which size asks for."
            yield _error(what, f"Use {right}.")


def _broken(rule: SizeRule, width: int, height: int) -> Iterator[str]:
    short, long = sorted((width, height))
    if width % rule.multiple_px or height % rule.multiple_px:
        yield f"has an edge that is not a multiple of {rule.multiple_px}"
    if rule.min_edge_px is not None and short < rule.min_edge_px:
        yield f"has an edge below {rule.min_edge_px} pixels"
    if rule.max_edge_px is not None and long > rule.max_edge_px:
        yield f"has an edge above {rule.max_edge_px} pixels"
    if rule.max_ratio is not None and long > rule.max_ratio * short:
        yield f"is longer than {rule.max_ratio:g}:1"
    if rule.min_pixels is not None and width * height < rule.min_pixels:
        yield f"has fewer than {rule.min_pixels:,} pixels"
    if rule.max_pixels is not None and width * height > rule.max_pixels:
        yield f"has more than {rule.max_pixels:,} pixels"


def _sizes_taken(facts: ModelFacts) -> str:
    ways, tiers = without_tiers(facts.sizes or ())
    ways += [f"one of these ratios with {', '.join(f'@{tier}' for tier in tiers)}"] if tiers else []
    if (rule := facts.size_rule) is not None:
        limits = {
            f"edges that are multiples of {rule.multiple_px}": rule.multiple_px > 1,
            f"no edge below {rule.min_edge_px} pixels": rule.min_edge_px,
            f"no edge above {rule.max_edge_px} pixels": rule.max_edge_px,
            f"a ratio of at most {rule.max_ratio or 0:g}:1": rule.max_ratio,
            f"at least {rule.min_pixels or 0:,} pixels in all": rule.min_pixels,
            f"at most {rule.max_pixels or 0:,} pixels in all": rule.max_pixels,
        }
        ways.append(f"WIDTHxHEIGHT with {', '.join(text for text, holds in limits.items() if holds) or 'any edges'}")
    return f"Use {', or '.join(ways)}." if ways else "Remove size."


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
            yield _error(f"{model.name} accepts no parameter {_shown(name)}.", f"Remove it; accepted are {taken}.")
        elif (right := _right_values(rule, value)) is not None:
            yield _error(f"{model.name} does not accept {name} {_shown(value)}.", f"Use {right}, or remove it.")


def _right_values(rule: ParameterRule, value: Any) -> str | None:
    """Return the valid values in words; None if the value is valid."""
    if rule.one_of is not None:
        return None if value in rule.one_of else " or ".join(rule.one_of)
    if rule.min is None and rule.max is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (rule.min is None or value >= rule.min) and (rule.max is None or value <= rule.max):
        return None
    bounds = {"at least": rule.min, "at most": rule.max}
    return "a number of " + " and ".join(f"{text} {bound:g}" for text, bound in bounds.items() if bound is not None)


def _sent(model: Model, parameters: Mapping[str, Any], references: int, mask: bool) -> Iterator[ModelFinding]:
    facts = model.facts
    most = facts.max_reference_images
    if most is not None and references > most:
        what = f"{model.name} accepts at most {most} reference images, but this request has {references}."
        yield _error(what, "Remove some." if most else "Remove them, or choose another model.")
    if mask and facts.mask is False:
        yield _error(f"{model.name} accepts no mask.", "Remove the mask, or choose another model.")
    if references and not mask and "mask_as" in parameters and "mask_as" in (facts.parameters or {}):
        yield _error("mask_as says how the mask is sent, but there is no mask.", "Add a mask, or remove mask_as.")
    for name in parameters:
        rule = (facts.parameters or {}).get(name)
        if rule is None or rule.references is None or rule.references == (references > 0):
            continue
        when = "only with" if rule.references else "only without"
        yield _error(f"{model.name} accepts {name} {when} reference images.", f"Remove {name}.")


def _combinations(parameters: Mapping[str, Any]) -> Iterator[ModelFinding]:
    image_format = parameters.get("output_format", "png")
    known = next((one for name, one in FORMATS.items() if name == image_format), None)
    if parameters.get("background") == "transparent" and not (known and known.has_alpha):
        what = f"output_format {_shown(image_format)} has no transparency, but background is transparent."
        yield _error(what, f"Set output_format to {_formats_with(lambda one: one.has_alpha)}, or background to opaque.")
    if "output_compression" in parameters and not (known and known.has_quality):
        fitting = _formats_with(lambda one: one.has_quality)
        what = f"output_compression does not apply to output_format {_shown(image_format)}."
        yield _error(what, f"Set output_format to {fitting}, or remove output_compression.")


def _formats_with(holds: Callable[[ImageFormat], bool]) -> str:
    return " or ".join(sorted(name for name, one in FORMATS.items() if one.is_reference and holds(one)))
