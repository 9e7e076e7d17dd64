"""The base of every section and the types of its fields: strict and frozen, lenient only where YAML misleads."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Strict, WithJsonSchema, model_validator

from imagemake.config.parameters import fault_of_name, fault_of_value
from imagemake.config.placeholders import parse_template
from imagemake.config.spelled import plain
from imagemake.core.mistakes import mistake
from imagemake.core.secrets import shown
from imagemake.core.text import forbidden_character, scalar_text, with_plain_line_ends

CONFIG = "config/config.yaml"
TAKE = "take"  # the only placeholder that is not a column
MAIN = "main"  # the label of postprocess.output


class Section(BaseModel):
    """One section of a campaign."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        # In YAML, a key whose lines are all commented out is null; that means its default.
        if isinstance(data, Mapping):
            return {key: value for key, value in data.items() if value is not None}
        return data


def _cell(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise mistake(f"{shown(value)} is neither text nor a number.", "Put the value in quotes if it is text.")
    try:
        return _text(scalar_text(value))  # as it is written
    except ValueError as error:
        raise mistake(f"{error}.", "Put the value in quotes if it is text.") from error


def _text(text: str) -> str:
    if character := forbidden_character(text):
        raise mistake(f"{shown(text)} contains the control character {character}.", "Remove it.")
    return with_plain_line_ends(text).strip()


def _filled(text: str) -> str:
    if not text:
        raise mistake("the text is empty.", "Fill it in, or remove the key.")
    return text


def _template(text: str) -> str:
    try:
        parse_template(text)
    except ValueError as error:
        raise mistake(
            f"{error}.",
            "Write {column} for a value, and {{ or }} for a brace; formats and conversions are not supported.",
        ) from error
    return text


def _column(name: str) -> str:
    if not name or "{" in name or "}" in name or forbidden_character(name):
        raise mistake(f"{name!r} cannot be a column.", "Use a name without braces.")
    if name == TAKE:
        raise mistake("'take' is reserved for the number of the take.", "Choose another name.")
    return name


def _listed(values: Any) -> Any:
    return values if isinstance(values, list | tuple) else (values,)


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise mistake("the list is empty.", "Give at least one value.")
    if repeated := sorted(value for value, n in Counter(values).items() if n > 1):
        raise mistake(f"{', '.join(map(repr, repeated))} is listed more than once.", "Keep one of each.")
    return values


def _patterns(raw: Any) -> Any:
    written = [
        scalar_text(one) if isinstance(one, bool) else str(one)
        for one in (raw if isinstance(raw, list | tuple) else [raw])
    ]
    patterns = written if isinstance(raw, list | tuple) else written[0].split(",")
    return tuple(stripped for pattern in patterns if (stripped := pattern.strip()))


def _parameter_name(name: str) -> str:
    if fault := fault_of_name(name):
        raise mistake(*fault)
    return name


def _parameter_value(value: Any) -> Any:
    value = plain(value)
    if fault := fault_of_value(value):
        raise mistake(*fault)
    return value


def normal(name: str) -> str:
    """Return a column's name for comparison: without surrounding blanks, in Unicode's composed form."""
    return unicodedata.normalize("NFC", name.strip())


_CELL_SCHEMA = {"title": "value", "type": ["string", "number", "boolean"]}
_CELLS_SCHEMA = {
    "title": "value or list of values",
    "anyOf": [_CELL_SCHEMA, {"type": "array", "items": _CELL_SCHEMA, "minItems": 1}],
}

Text = Annotated[str, AfterValidator(_text), AfterValidator(_filled)]
Texts = Annotated[
    tuple[Text, ...],
    Strict(False),
    BeforeValidator(_listed),
    AfterValidator(_some),
    WithJsonSchema(
        {
            "title": "text or list of texts",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
        }
    ),
]
TemplateText = Annotated[Text, AfterValidator(_template)]
Cell = Annotated[str, BeforeValidator(_cell), WithJsonSchema(_CELL_SCHEMA)]
Value = Annotated[Cell, AfterValidator(_filled)]
Values = Annotated[
    tuple[Value, ...],
    Strict(False),
    BeforeValidator(_listed),
    AfterValidator(_some),
    WithJsonSchema(_CELLS_SCHEMA),
]
Patterns = Annotated[
    tuple[str, ...],
    Strict(False),
    BeforeValidator(_patterns),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
ColumnName = Annotated[str, AfterValidator(normal), AfterValidator(_column)]
ParameterName = Annotated[str, AfterValidator(_parameter_name)]
ParameterValue = Annotated[
    Any,  # Json; its faults are told by the validator
    BeforeValidator(_parameter_value),
    WithJsonSchema({"title": "value", "type": ["string", "number", "boolean", "array", "object"]}),
]
