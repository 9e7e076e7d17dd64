"""A recipe as a request of the Gemini API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.http.base64_images import encoded
from imagemake.plugins.providers.http.images import media_type
from imagemake.plugins.providers.sizes import parse_size

# Fields of a request beside its generationConfig.
_BESIDE = ("safetySettings", "systemInstruction", "tools", "toolConfig", "cachedContent", "serviceTier", "store")
_UNDERSCORE = re.compile(r"_([a-z0-9])")


def model_path(model: str) -> str:
    """Return a model's path in URLs, such as ``models/gemini-3-pro-image``."""
    kind, _, name = model.rpartition("/")
    return f"{quote(kind or 'models', safe='/')}/{quote(name, safe='')}"


def body_of(recipe: Recipe, images: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return the body of a recipe's request.

    Names of parameters may be written with underscores, as in Google's SDK. What the API does not have, such as a
    negative prompt, is sent all the same, so that the server refuses it and nothing is left out silently.

    Args:
        recipe: The recipe.
        images: The parts with its reference images, in their order.
    """
    given = {_camel(name): value for name, value in recipe.parameters.items() if name != "size"}
    body: dict[str, Any] = {name: given.pop(name) for name in _BESIDE if name in given}
    image = _image_config(recipe.parameters.get("size"), given.pop("imageConfig", None))
    config = {
        "responseModalities": ["IMAGE"],
        **given,
        "seed": recipe.seed,
        **({"imageConfig": image} if image else {}),
    }
    body["contents"] = [{"role": "user", "parts": [*images, {"text": recipe.prompt}]}]
    body["generationConfig"] = config
    if recipe.negative_prompt is not None:
        body["negativePrompt"] = recipe.negative_prompt
    if recipe.mask is not None:
        body["mask"] = recipe.mask
    return body


def inline_part(content: bytes) -> dict[str, Any]:
    """Return the part of a request with an image in it."""
    return {"inlineData": {"mimeType": media_type(content), "data": encoded(content)}}


def file_part(uri: str, mime_type: str) -> dict[str, Any]:
    """Return the part of a request with an image that was uploaded."""
    return {"fileData": {"fileUri": uri, "mimeType": mime_type}}


def _image_config(size: Any, given: Any) -> dict[str, Any]:
    config: dict[str, Any] = (
        {_camel(name): value for name, value in given.items()} if isinstance(given, Mapping) else {}
    )
    parsed = parse_size(size)
    if parsed is not None and not parsed.is_pixels:
        config["aspectRatio"] = f"{parsed.width}:{parsed.height}"
        if parsed.tier is not None:
            config["imageSize"] = parsed.tier
    elif size not in (None, "auto"):
        config["aspectRatio"] = size  # the plan says that the model does not accept it, and so does the server
    return config


def _camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda found: found[1].upper(), name)
