"""Turn pydantic errors into problems: each with its dotted key, the value, and a remedy."""

from __future__ import annotations

import math
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import orjson
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from imagemake.core.problems import Problem
from imagemake.core.secrets import shown
from imagemake.core.text import did_you_mean
from imagemake.core.wrong_values import rule_broken

M = TypeVar("M", bound=BaseModel)

TAGS = {
    True: "[on]",
    False: "[off]",
}  # of sections that can be switched off; pydantic inserts these tags into locations
MOST_LISTED = 15  # known keys that an error lists
_NO_KEYS = ("[key]", *TAGS.values())


class Mistake(NamedTuple):
    """One mistake in a part of the configuration.

    Attributes:
        location: Keys and list positions, from that part down to the mistake.
        what: The value and the rule that it breaks.
        remedy: How to correct it.
    """

    location: tuple[str | int, ...]
    what: str
    remedy: str


def mistake(what: str, remedy: str) -> PydanticCustomError:
    """Make the error that a validator raises about its value."""
    return mistakes([Mistake((), what, remedy)])


def mistakes(found: Iterable[Mistake]) -> PydanticCustomError:
    """Make the error that a validator raises about several places inside its value."""
    found = list(found)
    told = " ".join(f"{one.what} {one.remedy}" for one in found)
    return PydanticCustomError("mistakes", "{told}", {"told": told, "mistakes": found})


def validated(model: type[M], data: Any) -> M | list[Mistake]:
    """Validate data, and return the model or every mistake, located from the root of the model.

    A truth value or an infinite number in place of a number is a mistake, whatever the model's own settings accept.
    """
    found = [one._replace(remedy=_correct(model, one.location)) for one in _no_numbers(model, data, ())]
    told = {one.location for one in found}
    try:
        valid = model.model_validate(data)
    except ValidationError as error:
        return [*(one for one in mistakes_of(error, model) if one.location not in told), *found]
    return found or valid


def problems_of(found: Iterable[Mistake], where: str) -> list[Problem]:
    """Turn mistakes into problems.

    Args:
        found: The mistakes.
        where: The file that contains the data.
    """
    return [
        Problem(f"{where}, {dotted(one.location)}" if one.location else where, one.what, one.remedy) for one in found
    ]


def mistakes_of(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """Turn the errors of a validation into mistakes, located from the root of the model."""
    found: dict[tuple[Any, ...], Mistake] = {}
    for line in error.errors(include_url=False):
        value = f"{shown(line['input'])} "
        for one in _mistakes_of_line(line, model):
            other = found.get(one.location)
            if other is None or not (other.what.startswith(value) and one.what.startswith(value)):
                found[one.location if other is None else (one.location, one.what)] = one
            elif one.what != other.what:  # a value that no member of a union accepts
                what = f"{other.what.removesuffix('.')}, or {one.what.removeprefix(value)}"
                found[one.location] = other._replace(what=what)
    return list(found.values())


def dotted(location: Iterable[str | int]) -> str:
    """Write a location as users write it: ``exclude[0].color``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _mistakes_of_line(line: ErrorDetails, model: type[BaseModel]) -> list[Mistake]:
    location = _keys(model, line["loc"])
    kind, context = line["type"], line.get("ctx") or {}
    if kind == "mistakes":
        return [Mistake(location + inner.location, inner.what, inner.remedy) for inner in context["mistakes"]]
    if kind == "extra_forbidden":
        return [_unknown_key(location, model)]
    if kind == "missing":
        about = _about(_field(model, location))
        return [Mistake(location, "this key is missing.", f"Add it. {about}".strip())]
    own_words = context.get("error") if kind in ("value_error", "assertion_error") else None
    value = shown(line["input"])
    what = f"{value}: {own_words}" if own_words else f"{value} {rule_broken(kind, context)}"
    remedy = "Write it in quotes." if kind == "string_type" else _correct(model, location)
    return [Mistake(location, f"{what.rstrip('.')}.", remedy)]


def _unknown_key(location: tuple[str | int, ...], model: type[BaseModel]) -> Mistake:
    parent, key = _at(model, location[:-1]), str(location[-1])
    known = list(parent.model_fields) if _is_model(parent) else []
    near = did_you_mean(key, known)
    if not near and len(location) > 1 and key in model.model_fields:
        near = f"Did you mean {key!r} at the top level?"
    if not known:
        listed = "No keys are allowed here."
    elif len(known) <= MOST_LISTED:
        listed = f"Known keys here: {', '.join(known)}."
    else:
        listed = f"`imagemake schema config` explains the {len(known)} known keys."
    return Mistake(location, "unknown key.", f"{near} {listed}".strip())


def _correct(model: type[BaseModel], location: tuple[str | int, ...]) -> str:
    return f"Correct it. {_about(_field(model, location))}".strip()


def _about(field: FieldInfo | None) -> str:
    if field is None or not field.description:
        return ""
    if field.is_required() or field.default_factory is not None:
        return field.description
    return f"{field.description} The default is {orjson.dumps(field.default, default=str).decode()}."


def _field(model: type[BaseModel], location: tuple[str | int, ...]) -> FieldInfo | None:
    """Return the last field on the way to a location: the one whose description helps."""
    for end in range(len(location), 0, -1):
        parent = _at(model, location[: end - 1])
        if _is_model(parent) and location[end - 1] in parent.model_fields:
            found: FieldInfo = parent.model_fields[location[end - 1]]
            return found
    return None


def _at(model: type[BaseModel], location: tuple[str | int, ...]) -> Any:
    """Return the type at a location, or None if it is unknown."""
    here: Any = model
    for part in location:
        here = _under(_plain(here), part)
    return _plain(here)


def _keys(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Return the keys of a location, without what pydantic inserts: tags, and the members of unions that it tried."""
    keys: list[str | int] = []
    here: Any = model
    for part in location:
        members = _members(here)
        if part in _NO_KEYS:
            here = next(filter(_is_model, members), here)
            continue
        if len(members) > 1:
            named = next((one for one in members if _is_model(one) and part == one.__name__), None)
            here = named or next(iter(members))
            if named or (isinstance(part, str) and not any(_under(one, part) for one in members)):
                continue
        keys.append(part)
        here = _under(_plain(here), part)
    return tuple(keys)


def _under(annotation: Any, part: str | int) -> Any:
    """Return the type of a part of a model, mapping, or list; None if it is unknown."""
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return field and field.annotation
    inner = [one for one in get_args(annotation) if one is not ...]
    if get_origin(annotation) is tuple and isinstance(part, int) and ... not in get_args(annotation):
        return inner[part] if part < len(inner) else None
    origin = get_origin(annotation)
    kind = Sequence if isinstance(part, int) else Mapping
    return inner[-1] if inner and isinstance(origin, type) and issubclass(origin, kind) else None


def _no_numbers(annotation: Any, data: Any, location: tuple[str | int, ...]) -> Iterator[Mistake]:
    """Yield the truth values and the infinite numbers of data where the type asks for a number."""
    members = _members(annotation)
    if isinstance(data, Mapping | list | tuple):
        parts = data.items() if isinstance(data, Mapping) else enumerate(data)
        for part, value in parts:
            kinds = [inner for one in members if (inner := _under(one, part)) is not None]
            for kind in kinds[:1]:
                yield from _no_numbers(kind, value, (*location, part))
    elif members and all(one in (int, float, Decimal) for one in members):
        is_infinite = isinstance(data, float) and not math.isfinite(data)
        if isinstance(data, bool) or is_infinite:
            rule = "finite_number" if is_infinite else "int_type" if int in members else "float_type"
            yield Mistake(location, f"{shown(data)} {rule_broken(rule, {})}.", "")


def _members(annotation: Any) -> list[Any]:
    """Return the types that a union joins, except None; otherwise the type alone."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return [one for a in get_args(annotation) if a is not type(None) for one in _members(a)]
    return [] if annotation is None else [annotation]


def _plain(annotation: Any) -> Any:
    return next(iter(_members(annotation)), None)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
