"""A recipe as the fields of a request of OpenAI's API, in the dialect of a server that has the same API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.connection import Dialect, ReferenceForm, SizeForm
from imagemake.plugins.providers.http.images import data_url
from imagemake.plugins.providers.sizes import parse_size


def fields_of(recipe: Recipe, dialect: Dialect) -> dict[str, Any]:
    """Return the fields of a request, without reference images: prompt, model, seed, size, and parameters.

    Args:
        recipe: The recipe.
        dialect: How the server spells what others spell otherwise.
    """
    fields: dict[str, Any] = {**dialect.fixed, **recipe.parameters}
    if dialect.size is not SizeForm.SIZE and "size" in fields:
        fields |= _size(fields.pop("size"), dialect.size)
    prompt = recipe.prompt
    if recipe.negative_prompt is not None and dialect.negative != "|":
        fields[dialect.negative] = recipe.negative_prompt
    if dialect.negative == "|":  # a sign in the text itself would start the negative prompt
        prompt = prompt.replace("|", " ")
        if recipe.negative_prompt is not None:
            prompt = f"{prompt}|{recipe.negative_prompt.replace('|', ' ')}"
    if dialect.seed is not None and dialect.seed.startswith("<"):
        prompt = _with_tag(prompt, dialect.seed.strip("<>"), {"seed": recipe.seed})
    elif dialect.seed is not None:
        fields[dialect.seed] = recipe.seed
    return {**fields, "prompt": prompt, "model": recipe.model}


def with_references(
    fields: dict[str, Any], recipe: Recipe, images: Mapping[str, bytes], form: ReferenceForm
) -> dict[str, Any]:
    """Return the fields of a request with its reference images as data URLs.

    Args:
        fields: The other fields.
        recipe: Names the images by SHA-256.
        images: Their content.
        form: How the server wants them; not `ReferenceForm.FILES`.
    """
    urls = [data_url(images[digest]) for digest in recipe.references]
    if form is ReferenceForm.LIST:
        return {**fields, "reference_images": urls}
    if form is ReferenceForm.OBJECT:
        return {**fields, "image": {"url": urls[0], "type": "image_url"}}
    return {**fields, "image": urls[0] if len(urls) == 1 else urls}


def _size(written: Any, form: SizeForm) -> dict[str, Any]:
    size = parse_size(written)
    if size is None:
        return {} if written == "auto" else {"size": written}
    if form is SizeForm.EDGES:
        return {"width": size.width, "height": size.height} if size.is_pixels else {"size": written}
    tier = {} if size.tier is None else {"resolution": size.tier.lower()}
    return {"aspect_ratio": size.ratio, **tier}


def _with_tag(prompt: str, tag: str, arguments: dict[str, Any]) -> str:
    """Return a prompt with arguments for the server in a tag; a tag in the catalog's text would set arguments too."""
    bare = re.sub(rf"</?{re.escape(tag)}[^>]*>", " ", prompt, flags=re.IGNORECASE)
    return f"{bare} <{tag}>{orjson.dumps(arguments).decode()}</{tag}>"
