"""Turn pydantic errors into problems: each with its dotted key, the value, and a remedy."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from imagemake.core.problems import Problem
from imagemake.core.secrets import shown
from imagemake.core.text import did_you_mean

_SHOULD_BE = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping of keys to values",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "mapping_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "string_type": "text",
    "tuple_type": "a list",
}

TAGS = {
    True: "[on]",
    False: "[off]",
}  # of sections that can be switched off; pydantic inserts these tags into locations
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


def problems_of(error: ValidationError, model: type[BaseModel], where: str) -> list[Problem]:
    """Turn the errors of a validation into problems.

    Args:
        error: The error that `model` raised.
        model: The model that validated the data.
        where: The file that contains the data.
    """
    return [
        Problem(f"{where}, {dotted(found.location)}" if found.location else where, found.what, found.remedy)
        for found in mistakes_of(error, model)
    ]


def mistakes_of(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """Turn the errors of a validation into mistakes, located from the root of the model."""
    return [found for line in error.errors(include_url=False) for found in _mistakes_of_line(line, model)]


def dotted(location: Iterable[str | int]) -> str:
    """Write a location as users write it: ``exclude[0].color``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _mistakes_of_line(line: ErrorDetails, model: type[BaseModel]) -> list[Mistake]:
    location = tuple(part for part in line["loc"] if part not in _NO_KEYS)
    if line["type"] == "mistakes":
        return [Mistake(location + inner.location, inner.what, inner.remedy) for inner in line["ctx"]["mistakes"]]
    if line["type"] == "extra_forbidden":
        return [_unknown_key(location, _at(model, location[:-1]))]
    field = _field(model, location)
    if line["type"] == "missing":
        return [Mistake(location, "this key is missing.", f"Add it. {_about(field)}".strip())]
    should_be = _SHOULD_BE.get(line["type"])
    rule = f"Input should be {should_be}" if should_be else line["msg"].removeprefix("Value error, ")
    value = shown(line["input"])
    what = f"{value} {rule.removeprefix('Input ')}" if rule.startswith("Input ") else f"{value}: {rule}"
    remedy = "Write it in quotes." if line["type"] == "string_type" else f"Correct it. {_about(field)}".strip()
    return [Mistake(location, f"{what.rstrip('.')}.", remedy)]


def _unknown_key(location: tuple[str | int, ...], parent: Any) -> Mistake:
    known = list(parent.model_fields) if _is_model(parent) else []
    near = did_you_mean(str(location[-1]), known)
    listed = f"Known keys here: {', '.join(known)}." if known else "No keys are allowed here."
    return Mistake(location, "unknown key.", f"{near} {listed}".strip())


def _about(field: FieldInfo | None) -> str:
    if field is None or not field.description:
        return ""
    if field.is_required() or field.default_factory is not None:
        return field.description
    return f"{field.description} The default is {field.default!r}."


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
        if _is_model(here):
            field = here.model_fields.get(part)
            here = field and _plain(field.annotation)
        else:
            here = _plain(next((a for a in reversed(get_args(here)) if a is not ...), None))
    return here


def _plain(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return _plain(next(a for a in get_args(annotation) if a is not type(None)))
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
