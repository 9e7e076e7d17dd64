"""The body of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Dialect, FailureKind, ProviderError
from imagemake.plugins.providers.http.images import data_url
from imagemake.plugins.providers.sizes import parse_size

_NEVER = {  # the API has no such field, and would silently drop it
    "mask": "OpenRouter's image API has no masks",
    "negative_prompt": "OpenRouter's image API has no negative prompts",
}


def body_of(recipe: Recipe, images: Mapping[str, bytes], dialect: Dialect) -> bytes:
    """Return the JSON of a request.

    Args:
        recipe: The recipe.
        images: Its reference images by SHA-256.
        dialect: Whether the model takes a seed.

    Raises:
        ProviderError: If the API cannot do what the recipe asks for; nothing was sent.
    """
    for name, what in _NEVER.items():
        if getattr(recipe, name) is not None:
            remedy = f"Remove {name}, or choose another provider for these images."
            raise ProviderError(what, FailureKind.STOP, code=f"no_{name}", remedy=remedy)
    fields = {**dialect.fixed, **_parameters(recipe.parameters)}
    if dialect.seed is not None:
        fields[dialect.seed] = recipe.seed
    if recipe.references:
        fields["input_references"] = [_reference(images[digest]) for digest in recipe.references]
    return orjson.dumps({**fields, "model": recipe.model, "prompt": recipe.prompt})


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Translate a size that is a ratio, with or without a tier, into the fields that the API has for it."""
    fields = dict(given)
    size = parse_size(fields.get("size"))
    if fields.get("size") == "auto":
        del fields["size"]
    elif size is not None and not size.is_pixels:
        del fields["size"]
        fields["aspect_ratio"] = f"{size.width}:{size.height}"
        if size.tier is not None:
            fields["resolution"] = size.tier
    return fields


def _reference(image: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(image)}}
