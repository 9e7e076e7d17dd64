"""The estimated and the largest possible cost of a call that asks a model about an image or a text."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from imagemake.config.models.costs import BYTES_PER_TOKEN, in_usd
from imagemake.config.models.table import Model
from imagemake.core.recipe import Recipe

# ASSUME: 3P: models that see images make a token of each patch of so many pixels.
PATCH_PX = 32
RULES_TOKENS, TOKENS_PER_ANSWER = 100, 10


def asked_usd(model: Model | None, recipe: Recipe, *, batch: bool = False) -> float | None:
    """Estimate the cost of a call that asks about an image or a text.

    The image counts as a square of the longest edge that is sent. How many tokens a model makes of it differs, so this
    is a guess until calls were made.

    Args:
        model: The model table's entry; None if it has none.
        recipe: What is asked.
        batch: Whether it is asked in a batch.

    Returns:
        USD; None if the price is unknown.
    """
    prices = None if model is None else model.facts.prices
    if prices is None:
        return 0.0 if _is_free(recipe) else None
    share = prices.batch_share if batch else Decimal(1)
    if prices.usd_per_image is not None:
        return in_usd(prices.usd_per_image * 1_000_000 * share)
    per_million = prices.usd_per_million_tokens
    if per_million is None:
        return None
    edge_px = recipe.parameters.get("edge_px")
    patches = (-(-int(str(edge_px)) // PATCH_PX)) ** 2 if recipe.references else 0
    questions = recipe.parameters.get("questions", ())
    text_tokens = RULES_TOKENS - (-len(recipe.prompt.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
    answer_tokens = TOKENS_PER_ANSWER * (len(questions) if isinstance(questions, Sequence) else 1)
    text_out = per_million.image_out if per_million.text_out is None else per_million.text_out
    sent = text_tokens * per_million.text_in + patches * per_million.image_in
    return in_usd((sent + answer_tokens * text_out) * share)


def asked_worst_usd(model: Model | None, recipe: Recipe) -> float | None:
    """Bound the cost of a call that asks: what the table says of a call, since tokens have no known bound.

    Returns:
        USD; None if the table has neither a price per image nor a bound.
    """
    if model is None:
        return 0.0 if _is_free(recipe) else None
    prices, given = model.facts.prices, model.facts.max_usd_per_image
    if given is not None:
        return in_usd(given * 1_000_000)
    per_call = None if prices is None else prices.usd_per_image
    return None if per_call is None else in_usd(per_call * 1_000_000)


def _is_free(recipe: Recipe) -> bool:
    """Return whether the provider's own servers bill nothing for a call. Source: OpenAI's moderation guide."""
    return recipe.parameters.get("api") == "moderations" and recipe.endpoint is None
