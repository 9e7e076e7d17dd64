"""The estimated, largest possible, and actual cost of an image."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from math import isqrt
from typing import Any

from imagemake.config.models.facts import ModelFacts, TokenPrices
from imagemake.config.models.size_checks import SIZE
from imagemake.config.models.table import Model
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.sizes import parse_size

# ASSUME: 3P, 2026-06: OpenAI adds six tokens to a prompt without reference images.
PROMPT_OVERHEAD_TOKENS = 6
BYTES_PER_TOKEN = 4
HOUR_S = 3600
MOST_TOKENS = 10**12  # a larger count means a broken response


def estimate_usd(model: Model, recipe: Recipe, *, batch: bool = False) -> float | None:
    """Estimate the cost of one image.

    The token count of reference images is unpublished, so a request with some has no estimate if tokens are billed.
    The prompt's token count is approximate: a quarter of its UTF-8 bytes.

    Returns:
        USD; None if the price or token count is unknown, or the model chooses the size or quality.
    """
    return _usd(model, recipe, _output_tokens(model, *_size_and_quality(recipe)), BYTES_PER_TOKEN, batch=batch)


def worst_usd(model: Model, recipe: Recipe, *, batch: bool = False, longest_s: float | None = None) -> float | None:
    """Bound the cost of one image: the model chooses its costliest size and quality, and each byte is a token.

    Text tokens that a model produces beside the image have no known bound and are left out (gpt-image-1.5 only).

    Args:
        model: The model.
        recipe: The recipe.
        batch: Whether the request is part of a batch.
        longest_s: How long a call may take: what it costs at most on a GPU that is billed by the hour.

    Returns:
        USD, never below `estimate_usd`; None if the price or token count is unknown, and the table has no bound.
    """
    known = _usd(model, recipe, _most_output_tokens(model, *_size_and_quality(recipe)), 1, batch=batch)
    if known is not None:
        return known
    if (given := model.facts.max_usd_per_image) is not None:
        return in_usd(given * 1_000_000)
    prices = model.facts.prices
    return None if prices is None or longest_s is None else gpu_usd(model, longest_s * prices.gpus)


def is_by_gpu_hour(model: Model | None) -> bool:
    """Return whether the images of a model cost the time that they keep a GPU busy."""
    return model is not None and model.facts.prices is not None and model.facts.prices.usd_per_gpu_hour is not None


def gpus_of(model: Model | None) -> int:
    """Return how many GPUs an image keeps busy."""
    return model.facts.prices.gpus if model is not None and model.facts.prices is not None else 1


def gpu_usd(model: Model, gpu_seconds: float) -> float | None:
    """Return what some seconds of a GPU cost, in USD; None if the model has no price by the hour."""
    prices = model.facts.prices
    if prices is None or prices.usd_per_gpu_hour is None:
        return None
    return in_usd(prices.usd_per_gpu_hour * Decimal(str(gpu_seconds)) * 1_000_000 / HOUR_S)


def cost_usd(
    model: Model, usage: Mapping[str, Any] | None, *, batch: bool = False, gpu_seconds: float | None = None
) -> float | None:
    """Compute the cost of a response.

    If the counts are not split into text and images, or the parts do not add up, all tokens get the higher price.

    Args:
        model: The model that responded.
        usage: The response's ``usage``, in any form.
        batch: Whether the request was part of a batch.
        gpu_seconds: How long it kept GPUs busy, if that was measured.

    Returns:
        USD, to the nearest 0.000001; None if the price or usage is unknown.
    """
    prices = model.facts.prices
    if prices is None:
        return None
    if gpu_seconds is not None and prices.usd_per_gpu_hour is not None:
        return gpu_usd(model, gpu_seconds)
    share = prices.batch_share if batch else Decimal(1)
    if prices.usd_per_image is not None:
        return in_usd(prices.usd_per_image * 1_000_000 * share)
    per_million = prices.usd_per_million_tokens
    if per_million is None or not isinstance(usage, Mapping):
        return None
    text_out = per_million.image_out if per_million.text_out is None else per_million.text_out
    sent = _micro_usd(usage, "input_tokens", per_million.text_in, per_million.image_in)
    made = _micro_usd(usage, "output_tokens", text_out, per_million.image_out)
    return None if sent is None or made is None else in_usd((sent + made) * share)


def in_usd(micro_usd: Decimal) -> float:
    """Return millionths of a USD as USD."""
    return round(micro_usd) / 1_000_000


def _micro_usd(usage: Mapping[str, Any], name: str, text_price: Decimal, image_price: Decimal) -> Decimal | None:
    # A token at USD per million tokens costs that many millionths of a USD.
    total, details = _count(usage.get(name)), usage.get(f"{name}_details")
    if isinstance(details, Mapping):
        text, image = _count(details.get("text_tokens")), _count(details.get("image_tokens"))
        if text is not None and image is not None and total in (None, text + image):
            return text * text_price + image * image_price
    return None if total is None else total * max(text_price, image_price)


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
        return value
    return None


def _size_and_quality(recipe: Recipe) -> tuple[Any, Any]:
    size, quality = (recipe.parameters.get(name, "auto") for name in ("size", "quality"))
    return str(size), str(quality)


def _usd(
    model: Model, recipe: Recipe, output_tokens: int | None, bytes_per_token: int, *, batch: bool = False
) -> float | None:
    prices = model.facts.prices
    if prices is None:
        return None
    share = prices.batch_share if batch else Decimal(1)
    if prices.usd_per_image is not None:
        return in_usd(prices.usd_per_image * 1_000_000 * share)
    per_million: TokenPrices | None = prices.usd_per_million_tokens
    if per_million is None or output_tokens is None or recipe.references:
        return None
    prompt_bytes = len(recipe.prompt.encode("utf-8", "surrogatepass"))
    text_tokens = PROMPT_OVERHEAD_TOKENS - (-prompt_bytes // bytes_per_token)
    return in_usd((text_tokens * per_million.text_in + output_tokens * per_million.image_out) * share)


def grid_tokens(patches: int, width: int, height: int) -> int:
    """Count the output tokens of an image that the model generates as a grid of patches.

    Source: 3P, 2026-06, read from the calculator in OpenAI's image guide.

    Args:
        patches: Patches along the long edge, by quality.
        width: In pixels.
        height: In pixels.
    """
    short, long = sorted((width, height))
    across = (2 * patches * short + long) // (2 * long)
    return -(-patches * across * (2_000_000 + width * height) // 4_000_000)


@lru_cache(maxsize=4096)
def _output_tokens(model: Model, size: Any, quality: Any) -> int | None:
    return _tokens_by_quality(model.facts, size).get(quality)


@lru_cache(maxsize=4096)
def _most_output_tokens(model: Model, size: Any, quality: Any) -> int | None:
    sizes = _costliest_sizes(model.facts) if size == "auto" else [size]
    by_quality = [_tokens_by_quality(model.facts, size) for size in sizes]
    return max((tokens[name] for tokens in by_quality for name in tokens if quality in ("auto", name)), default=None)


def _tokens_by_quality(facts: ModelFacts, size: Any) -> Mapping[str, int]:
    rule = facts.output_tokens
    if rule is None:
        return {}
    if rule.table is not None:
        return rule.table.get(size) or rule.table.get(_of_every_ratio(size), {})
    edges = SIZE.fullmatch(size) if isinstance(size, str) else None
    if rule.grid is None or edges is None:
        return {}
    return {name: grid_tokens(patches, int(edges[1]), int(edges[2])) for name, patches in rule.grid.items()}


def _of_every_ratio(size: Any) -> str:
    """Return how a table of tokens names every ratio of a size's tier: ``@2K`` for ``3:2@2K``, ``@`` for ``3:2``."""
    parsed = parse_size(size)
    return "" if parsed is None or parsed.is_pixels else f"@{parsed.tier or ''}"


def _costliest_sizes(facts: ModelFacts) -> list[str]:
    # One of them has at least as many tokens as any size that the model could choose; empty without a bound.
    rule = facts.size_rule
    if facts.output_tokens is not None and facts.output_tokens.table is not None:
        return list(facts.output_tokens.table)
    if rule is None:
        return list(facts.sizes or ())
    edges = [rule.max_edge_px] if rule.max_edge_px is not None else []
    if rule.max_pixels is not None:
        edges.append(isqrt(rule.max_pixels - 1) + 1)
    # Of all sizes with as many pixels, a square has the most patches.
    return [*(facts.sizes or ()), f"{min(edges)}x{min(edges)}"] if edges else []
