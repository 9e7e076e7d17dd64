"""Names and values of a model's parameters, from the configuration or from catalog columns."""

from __future__ import annotations

import re

from imagemake.core.recipe import LARGEST_EXACT_INTEGER, Scalar, canonical_json
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
    if not isinstance(value, str | int | float):
        kind = "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else repr(value)
        return f"{kind} cannot be a parameter.", "Use text, a number, true, or false; put dates in quotes."
    if isinstance(value, str):
        if is_secret_value(value):
            return "a parameter looks like a secret.", _SECRETS
        if character := forbidden_character(value):
            return f"the text contains the control character {character}.", "Remove it."
        return None
    try:
        canonical_json(value)
    except ValueError as error:
        return f"{error}.", "Put the number in quotes if the provider accepts it as text."
    return None


def parameter_from(cell: str) -> Scalar:
    """Read a catalog cell: ``true``, ``false``, and numbers as Python writes them; everything else stays text.

    ``1024`` is a number; ``01``, ``1.50``, and numbers that a key cannot represent are text.
    """
    if cell in ("true", "false"):
        return cell == "true"
    if not _NUMBER.fullmatch(cell) or len(cell) > len(str(-LARGEST_EXACT_INTEGER)) + 1:
        return cell
    number: int | float = float(cell) if "." in cell else int(cell)
    if repr(number) != cell or abs(number) > LARGEST_EXACT_INTEGER:
        return cell
    return number
