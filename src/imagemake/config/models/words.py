"""Facts about a model in words."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from imagemake.config.models.facts import ModelFacts
from imagemake.plugins.providers.sizes import without_tiers


def price_in_words(facts: ModelFacts) -> str:
    """Return the price of a model; empty if it is unknown."""
    prices = facts.prices
    if prices and prices.usd_per_image is not None:
        return f"{_usd(prices.usd_per_image)} per image" if prices.usd_per_image else "free"
    if prices and prices.usd_per_gpu_hour is not None:
        return f"{_usd(prices.usd_per_gpu_hour)} per hour of a GPU"
    if prices and prices.usd_per_million_tokens:
        kinds = {name.replace("_", " "): usd for name, usd in prices.usd_per_million_tokens if usd is not None}
        return f"per million tokens: {', '.join(f'{_usd(usd)} {kind}' for kind, usd in kinds.items())}"
    return ""


DETERMINISM = {
    "unseeded": "the same seed gives a different image",
    "seeded": "the same seed gives the same image",
    "batch-invariant": "the same seed gives the same image, whatever else is made at that time",
    "fixed": "the same prompt gives the same image",
}


def accepted_in_words(facts: ModelFacts) -> list[str]:
    """Return what a model accepts, with names as in Markdown; one line per kind of thing, as far as it is known."""
    n_references = facts.max_reference_images
    known = [
        f"sizes: {_sizes(facts)}" if facts.sizes or facts.size_rule else "",
        f"parameters: {_parameters(facts)}" if facts.parameters else "",
        _said(n_references, f"up to {n_references} reference images", "no reference images"),
        _said(facts.mask, "a mask", "no mask"),
        _said(facts.negative_prompt, "a negative prompt", "no negative prompt"),
        _said(facts.content_credentials, "images with content credentials (C2PA)", ""),
        DETERMINISM.get(facts.determinism or "", ""),
        _said(facts.max_prompt_characters, f"at most {facts.max_prompt_characters or 0:,} characters per prompt", ""),
    ]
    return [fact for fact in known if fact]


def _said(value: int | None, yes: str, no: str) -> str:
    return "" if value is None else yes if value else no


def _sizes(facts: ModelFacts) -> str:
    words, rule = _listed(facts.sizes or ()), facts.size_rule
    if rule:
        limits = {
            "edges that are multiples of {:,} px": rule.multiple_px if rule.multiple_px > 1 else None,
            "edges of at least {:,} px": rule.min_edge_px,
            "edges of at most {:,} px": rule.max_edge_px,
            "a ratio of at most {:g}:1": rule.max_ratio,
            "at least {:,} pixels": rule.min_pixels,
            "at most {:,} pixels": rule.max_pixels,
        }
        words.append("any with " + ", ".join(text.format(value) for text, value in limits.items() if value is not None))
    return "; ".join(words)


def _listed(sizes: Sequence[str]) -> list[str]:
    """Return listed sizes; if every ratio comes with every tier, as in ``2:3@2K``, ratios and tiers separately."""
    rest, tiers = without_tiers(sizes)
    words = [", ".join(f"`{size}`" for size in rest)] if rest else []
    return [*words, f"the ratios also with {', '.join(f'`@{tier}`' for tier in tiers)}"] if tiers else words


def _parameters(facts: ModelFacts) -> str:
    words = []
    for name, rule in (facts.parameters or {}).items():
        if rule is None:
            continue
        values = ", ".join(rule.one_of or ())
        if rule.min is not None or rule.max is not None:
            values = f"{'' if rule.min is None else f'{rule.min:g}'} to {'' if rule.max is None else f'{rule.max:g}'}"
        where = {None: "", True: "with references", False: "without references"}[rule.references]
        told = "; ".join(part for part in (values, where) if part)
        words.append(f"`{name}`" + (f" ({told})" if told else ""))
    return ", ".join(words)


def _usd(value: Decimal) -> str:
    return f"${value.normalize():f}"
