"""The model's parameters, which are those of the OpenAI image models, so that switching changes one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from imagemake.core.recipe import Json, Recipe
from imagemake.plugins.providers import FailureKind, ProviderError

MODEL = "preview-1"
LEAST_EDGE_PX, MOST_EDGE_PX = 16, 4096
DEFAULT_COMPRESSION = 90
CHOICES: Mapping[str, tuple[str, ...]] = {
    "background": ("auto", "opaque", "transparent"),
    "complexity": ("low", "medium", "high"),
    "moderation": ("auto", "low"),
    "output_format": ("png", "jpeg", "webp"),
    "quality": ("auto", "low", "medium", "high", "xhigh", "max"),
}
IGNORED = ("input_fidelity", "mask_as", "safety_identifier", "user")
_SIZE = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class Options:
    """Checked parameters.

    Attributes:
        width_px: 16 to 4096.
        height_px: 16 to 4096.
        background: ``auto``, ``opaque``, or ``transparent``.
        format: ``png``, ``jpeg``, or ``webp``.
        compression: Of JPEG and WebP, 0 to 100, as their encoders' quality.
        coarse: Whether curves have fewer faces.
    """

    width_px: int
    height_px: int
    background: str
    format: str
    compression: int
    coarse: bool

    @property
    def can_be_transparent(self) -> bool:
        """Whether the format has an alpha channel and the background may be transparent."""
        return self.format != "jpeg" and self.background != "opaque"


def options_of(recipe: Recipe) -> Options:
    """Read a recipe's parameters.

    Raises:
        ProviderError: `FailureKind.REFUSED`, if the model or a parameter is unknown, or a value is invalid.
    """
    if recipe.model != MODEL:
        raise refused(f"model {recipe.model!r} is not known; the preview provider has only {MODEL}", "model_not_found")
    values: dict[str, Json] = {"size": "auto", "output_compression": DEFAULT_COMPRESSION}
    values |= {name: choices[0] for name, choices in CHOICES.items()}
    for name, value in recipe.parameters.items():
        if name in IGNORED:
            continue
        if name not in values:
            known = ", ".join(sorted([*values, *IGNORED]))
            raise refused(f"parameter {name!r} is not known; known are {known}", "unknown_parameter")
        if name in CHOICES and value not in CHOICES[name]:
            raise _wrong(name, value, f"is not one of {', '.join(CHOICES[name])}")
        values[name] = value
    if values["background"] == "transparent" and values["output_format"] == "jpeg":
        raise _wrong("background", "transparent", "needs a format with transparency, but output_format is jpeg")
    if "output_compression" in recipe.parameters and values["output_format"] == "png":
        raise _wrong("output_compression", values["output_compression"], "does not apply to output_format png")
    width_px, height_px = _edges_px(values["size"])
    return Options(
        width_px=width_px,
        height_px=height_px,
        background=str(values["background"]),
        format=str(values["output_format"]),
        compression=_compression(values["output_compression"]),
        coarse=values["quality"] == "low",
    )


def refused(message: str, code: str) -> ProviderError:
    """Return the error for a recipe that can never be drawn."""
    return ProviderError(message, FailureKind.REFUSED, code=code)


def _wrong(name: str, value: Json, rule: str) -> ProviderError:
    return refused(f"{name} {value!r} {rule}", "invalid_value")


def _edges_px(size: Json) -> tuple[int, int]:
    if size == "auto":
        return 1024, 1024
    edges = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if edges is None or not all(LEAST_EDGE_PX <= int(edge) <= MOST_EDGE_PX for edge in edges.groups()):
        raise _wrong("size", size, f"is neither auto nor WIDTHxHEIGHT of {LEAST_EDGE_PX} to {MOST_EDGE_PX} pixels")
    return int(edges[1]), int(edges[2])


def _compression(value: Json) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100:
        return value
    raise _wrong("output_compression", value, "is not a whole number from 0 to 100")
