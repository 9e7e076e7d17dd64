"""Functions that read one parameter each, or raise the API's `ApiError`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fake_openai import errors
from fake_openai.models import THREE_SIZES, Model

MOST_PROMPT_CHARACTERS = 32_000
FEWEST_PIXELS, MOST_PIXELS, LONGEST_EDGE_PX = 655_360, 8_294_400, 3840


def choice(body: Mapping[str, Any], name: str, allowed: Sequence[str], default: str) -> str:
    """Read one of several words."""
    value = body.get(name, default)
    if value not in allowed:
        raise errors.invalid_value(name, value, allowed)
    return str(value)


def integer(body: Mapping[str, Any], name: str, low: int, high: int, default: int) -> int:
    """Read an integer between two bounds, both allowed."""
    value = body.get(name, default)
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        value = int(value)  # multipart has text only
    if isinstance(value, bool) or not isinstance(value, int):
        kind = {str: "a string", float: "a decimal number", bool: "a boolean"}.get(type(value), "an object")
        message = f"Invalid type for '{name}': expected an integer, but got {kind} instead."
        raise errors.invalid(name, message, "invalid_type")
    for broken, word, sign, bound in ((value < low, "below min", ">=", low), (value > high, "above max", "<=", high)):
        if broken:
            message = (
                f"Invalid '{name}': integer {word}imum value. Expected a value {sign} {bound}, but got {value} instead."
            )
            raise errors.invalid(name, message, f"integer_{word.replace(' ', '_')}_value")
    return value


def boolean(body: Mapping[str, Any], name: str) -> bool:
    """Read true or false, which multipart sends as text. Absent is false."""
    value = body.get(name, False)
    if value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise errors.invalid(name, f"Invalid type for '{name}': expected a boolean.", "invalid_type")
    return value


def prompt_text(body: Mapping[str, Any]) -> str:
    """Read the prompt."""
    prompt = body.get("prompt")
    if prompt is None:
        raise errors.missing_parameter("prompt")
    if not isinstance(prompt, str):
        raise errors.invalid("prompt", "Invalid type for 'prompt': expected a string.", "invalid_type")
    if not prompt:
        raise errors.invalid(
            "prompt",
            "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string instead.",
            "empty_string",
        )
    if len(prompt) > MOST_PROMPT_CHARACTERS:
        raise errors.invalid(
            "prompt",
            f"Invalid 'prompt': string too long. Expected a string with maximum length {MOST_PROMPT_CHARACTERS}, but "
            f"got a string with length {len(prompt)} instead.",
            "string_above_max_length",
        )
    return prompt


def size_px(body: Mapping[str, Any], model: Model, any_size: bool) -> tuple[int, int]:
    """Read width and height.

    Args:
        body: The parameters.
        model: Model, which may accept more than the three sizes.
        any_size: Whether to accept sizes that the API refuses.
    """
    size = str(body.get("size", "auto"))
    if size == "auto":
        return 1024, 1024
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size)
    if not (model.any_size or any_size) and size not in THREE_SIZES:
        raise errors.invalid_value("size", size, (*THREE_SIZES, "auto"))
    if match is None:
        raise errors.invalid("size", f"Invalid size '{size}'. Expected 'auto' or a size such as '1536x864'.")
    width, height = int(match[1]), int(match[2])
    broken = {
        "Width and height must both be divisible by 16.": width % 16 or height % 16,
        "The longest edge must be less than or equal to 3840.": max(width, height) > LONGEST_EDGE_PX,
        "The aspect ratio must be between 1:3 and 3:1.": max(width, height) > 3 * min(width, height),
        "Requested resolution is below the current minimum pixel budget.": width * height < FEWEST_PIXELS,
        "Requested resolution is above the current maximum pixel budget.": width * height > MOST_PIXELS,
    }
    for rule, is_broken in broken.items():
        if is_broken and not any_size:
            raise errors.invalid("size", f"Invalid size '{size}'. {rule}")
    if width * height > MOST_PIXELS:
        raise errors.invalid("size", f"Invalid size '{size}'. More than {MOST_PIXELS} pixels are never drawn.")
    return width, height
