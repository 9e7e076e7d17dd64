"""Names and values of a model's parameters, from the configuration or from catalog columns."""

from __future__ import annotations

import re
from typing import Any

import orjson

from imagemake.core.recipe import LARGEST_EXACT_INTEGER, Json, canonical_json
from imagemake.core.secrets import is_secret_name, is_secret_value
from imagemake.core.text import forbidden_character

PREFIX = "parameters."
OWN_KEYS = {
    "model": "Write it under model.name, or in a column 'model'.",
    "n": "Each request is one image; for several, set takes.",
    "negative_prompt": "Write it under negative_prompt, or in a column of that name.",
    "prompt": "Write it under prompt, or in a column of that name.",
    "seed": "Write it under seed, or in a column of that name.",
}
MAX_LEVELS = 8  # of lists and mappings in one another
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_SECRETS = "Set secrets in the environment only. Remove it here, and replace it if others could read it."


def fault_of_name(name: str) -> tuple[str, str] | None:
    """Return what is wrong with a parameter's name and the remedy; None if it is valid."""
    if name in OWN_KEYS:
        return f"{name!r} cannot be a parameter.", OWN_KEYS[name]
    if is_secret_name(name) or is_secret_value(name):
        return "a parameter is named like a secret.", _SECRETS
    if not _NAME.fullmatch(name):
        return f"{name!r} is not a valid parameter name.", "Use ASCII letters, digits, and underscores."
    return None


def fault_of_value(value: object) -> tuple[str, str] | None:
    """Return what is wrong with a parameter's value and the remedy; None if it is valid."""
    if isinstance(value, list | tuple | dict):
        return _fault_of_nested(value, 1)
    if not isinstance(value, str | int | float):
        return f"{value!r} cannot be a parameter.", "Use text, a number, true, false, a list, or a mapping."
    if isinstance(value, str):
        return _fault_of_text(value)
    try:
        canonical_json(value)
    except ValueError as error:
        return f"{error}.", "Put the number in quotes if the provider accepts it as text."
    return None


def _fault_of_text(value: str) -> tuple[str, str] | None:
    if is_secret_value(value):
        return "a parameter looks like a secret.", _SECRETS
    if character := forbidden_character(value):
        return f"the text contains the control character {character}.", "Remove it."
    return None


def _fault_of_nested(value: Any, level: int) -> tuple[str, str] | None:
    if level > MAX_LEVELS:
        return f"a parameter has more than {MAX_LEVELS} levels.", "Use fewer."
    if isinstance(value, dict):
        for name in value:
            if not (isinstance(name, str) and name.isascii() and name.isprintable()):
                return f"{name!r} cannot be a name inside a parameter.", "Use printable ASCII characters."
            if is_secret_name(name):
                return "a part of a parameter is named like a secret.", _SECRETS
    for one in value.values() if isinstance(value, dict) else value:
        nested = isinstance(one, list | tuple | dict)
        fault = _fault_of_nested(one, level + 1) if nested else None if one is None else fault_of_value(one)
        if fault:
            return fault
    return None


def parameter_from(cell: str) -> Json:
    """Read a catalog cell: ``true``, ``false``, numbers as Python writes them, and JSON lists and objects.

    Everything else stays text. ``1024`` is a number; ``01``, ``1.50``, and numbers that a key cannot represent are
    text, and so are brackets that hold no JSON.
    """
    if cell in ("true", "false"):
        return cell == "true"
    if cell[:1] in ("[", "{"):
        try:
            nested: Json = orjson.loads(cell)
        except orjson.JSONDecodeError:
            return cell
        return nested
    if not _NUMBER.fullmatch(cell) or len(cell) > len(str(-LARGEST_EXACT_INTEGER)) + 1:
        return cell
    number: int | float = float(cell) if "." in cell else int(cell)
    if repr(number) != cell or abs(number) > LARGEST_EXACT_INTEGER:
        return cell
    return number
