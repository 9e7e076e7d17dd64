"""From a recipe to what a pipeline is asked for. Pure: nothing here knows torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from imagemake.core.fingerprint import fingerprint
from imagemake.core.recipe import Json, Recipe
from imagemake.plugins.providers.failures import FailureKind, ProviderError

if TYPE_CHECKING:
    from PIL.Image import Image

DTYPES = ("float32", "float16", "bfloat16")
MOST_EDGE_PX = 16_384
# What the provider passes itself, or decides.
_OWN_CALL = {
    "image": "List the file under references.",
    "mask_image": "Write the file's path under mask.",
    "height": "Write size: WIDTHxHEIGHT.",
    "width": "Write size: WIDTHxHEIGHT.",
    "generator": "Seeds come from the key seed.",
    "num_images_per_prompt": "Set takes.",
}
_NEVER = ("output_type", "return_dict", "latents", "callback", "callback_on_step_end")
_SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")
_CLASS = re.compile(r"[A-Z][A-Za-z0-9]*")


class Setup(NamedTuple):
    """How a pipeline is loaded and set up; images with another setup are made apart.

    Attributes:
        model: Name of the model.
        dtype: Type of the weights.
        variant: Which weights are loaded where there are several; None for the plain ones.
        scheduler: Class of the scheduler; empty for the pipeline's own.
        scheduler_options: What is set on it.
        loras: Names and weights of the LoRAs, sorted.
        vae_tiling: Whether the VAE decodes in tiles; None where that is decided by the memory.
    """

    model: str
    dtype: str
    variant: str | None
    scheduler: str
    scheduler_options: tuple[tuple[str, Any], ...]
    loras: tuple[tuple[str, float], ...]
    vae_tiling: bool | None


@dataclass(frozen=True, slots=True)
class Order:
    """One image, as a pipeline is asked for it.

    Attributes:
        recipe: Has prompt, negative prompt, seed, and references.
        setup: How the pipeline is set up.
        size: Width and height in pixels; None for the pipeline's own, or that of the reference image.
        call: Further arguments of the pipeline.
        kin: What it has in common with images that can be made at the same time, as far as the recipe tells.
        pictures: The reference images.
        mask: The mask, white where the pipeline paints; None if there is none.
    """

    recipe: Recipe
    setup: Setup
    size: tuple[int, int] | None
    call: Mapping[str, Json]
    kin: str
    pictures: tuple[Image, ...] = ()
    mask: Image | None = None


def order_of(recipe: Recipe) -> Order:
    """Return what a recipe asks a pipeline for, without its pictures.

    Args:
        recipe: The recipe.

    Raises:
        ProviderError: `FailureKind.CONFIGURATION`, if a parameter is wrong.
    """
    given = dict(recipe.parameters)
    size = _size(given.pop("size", None))
    name, options = _scheduler(given.pop("scheduler", None))
    setup = Setup(
        recipe.model,
        _one_of("dtype", given.pop("dtype", DTYPES[0]), DTYPES),
        _text("variant", given.pop("variant", None)),
        name,
        options,
        tuple(loras_of(given.pop("loras", None)).items()),
        _truth("vae_tiling", given.pop("vae_tiling", None)),
    )
    for argument in given:
        if remedy := _OWN_CALL.get(argument):
            raise _wrong(f"{argument} is no parameter of this provider", remedy)
        if argument in _NEVER:
            raise _wrong(f"{argument} cannot be set", f"Remove it from {recipe.model}'s parameters.")
    shape = [recipe.negative_prompt is None, len(recipe.references), recipe.mask is None]
    return Order(recipe, setup, size, given, fingerprint([recipe.model, dict(recipe.parameters), shape]))


def loras_of(value: Json) -> dict[str, float]:
    """Return the LoRAs of a parameter with their weights, sorted by name.

    Raises:
        ProviderError: `FailureKind.CONFIGURATION`, if it is no mapping of names to numbers.
    """
    remedy = "Write names in model.files with weights, as in loras: {brushwork: 0.8}."
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(f"loras {value!r} are no mapping", remedy)
    for name, weight in value.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise _wrong(f"the weight {weight!r} of LoRA {name} is no number", remedy)
    return {name: float(value[name]) for name in sorted(value)}  # type: ignore[arg-type]  # checked above


def _size(value: Json) -> tuple[int, int] | None:
    if value is None:
        return None
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or max(edges := (int(found[1]), int(found[2]))) > MOST_EDGE_PX:
        raise _wrong(f"size {value!r} is not WIDTHxHEIGHT of at most {MOST_EDGE_PX:,} pixels", "Write size: 1024x1024.")
    return edges


def _scheduler(value: Json) -> tuple[str, tuple[tuple[str, Any], ...]]:
    """Read ``EulerDiscreteScheduler``, or ``{class: EulerDiscreteScheduler, use_karras_sigmas: true}``."""
    if value is None:
        return "", ()
    options = dict(value) if isinstance(value, Mapping) else {"class": value}
    name = options.pop("class", None)
    if not isinstance(name, str) or not _CLASS.fullmatch(name):
        remedy = "Write the name of a class, as in scheduler: EulerDiscreteScheduler."
        raise _wrong(f"scheduler {value!r} is no scheduler of diffusers", remedy)
    return name, tuple(sorted(options.items()))


def _one_of(name: str, value: Json, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise _wrong(f"{name} {value!r} is not one of {', '.join(choices)}", "Choose one of them.")
    return str(value)


def _text(name: str, value: Json) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong(f"{name} {value!r} is no text", "Write it as in variant: fp16.")
    return value


def _truth(name: str, value: Json) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise _wrong(f"{name} {value!r} is neither true nor false", "Write true or false, or remove it.")
    return value


def _wrong(what: str, remedy: str) -> ProviderError:
    return ProviderError(what, FailureKind.CONFIGURATION, code="wrong_parameter", remedy=remedy)
