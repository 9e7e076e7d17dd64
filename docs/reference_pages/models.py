"""The known models, from imagemake/config/models/models.toml, for docs/reference/models.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal

from imagemake.config.models import Model, ModelFacts, estimate_usd, load_models
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import provider_class, takes_batches
from reference_pages.markdown import table

_EXAMPLE_SIZE = "1024x1024"
_PROMPT = "x" * 400  # about 100 tokens
_PRICE_HEADER = ["model", f"USD per image of {_EXAMPLE_SIZE}", "price in USD", "valid on"]
_UNKNOWN = "unknown"


def model_sections() -> str:
    """Return what each model costs and what it accepts, by provider. Equal models are listed together."""
    models = load_models().models.values()
    parts = []
    for provider in dict.fromkeys(model.provider for model in models):
        own = [model for model in models if model.provider == provider]
        parts += [
            f"## {provider}\n",
            table(_PRICE_HEADER, _merged(own, _price_row)),
            "What is known about each model:\n",
        ]
        for names, *facts in _merged(own, _facts):
            parts.append(f"- {names}\n" + "".join(f"    - {fact}\n" for fact in facts or ["nothing else"]))
    return "\n".join(parts)


def _merged(models: Iterable[Model], row: Callable[[Model], Sequence[str]]) -> Iterator[Sequence[str]]:
    names: dict[tuple[str, ...], list[str]] = {}
    for model in models:
        names.setdefault(tuple(row(model)), []).append(f"`{model.name}`")
    return ([", ".join(shared), *cells] for cells, shared in names.items())


def _price_row(model: Model) -> list[str]:
    prices = model.facts.prices
    if prices and prices.usd_per_image is not None:
        price = f"{_usd(prices.usd_per_image)} per image" if prices.usd_per_image else "free"
    elif prices and prices.usd_per_million_tokens:
        kinds = {name.replace("_", " "): usd for name, usd in prices.usd_per_million_tokens if usd is not None}
        price = f"per million tokens: {', '.join(f'{_usd(usd)} {kind}' for kind, usd in kinds.items())}"
    else:
        return [_costs(model), _UNKNOWN, ""]
    return [_costs(model), price, str(prices.as_of)]


def _costs(model: Model) -> str:
    """Return the estimated cost of an image, by quality if it depends on that."""
    rule = (model.facts.parameters or {}).get("quality")
    qualities = [quality for quality in (rule.one_of or () if rule else ()) if quality != "auto"]
    found = {}
    for quality in qualities or [""]:
        parameters = {"size": _EXAMPLE_SIZE, **({"quality": quality} if quality else {})}
        recipe = Recipe(model.provider, model.name, _PROMPT, 0, parameters)
        if (usd := estimate_usd(model, recipe)) is not None:
            found[quality] = f"{usd:.4f}".rstrip("0").rstrip(".") if usd else "0"
    if not found:
        most = model.facts.max_usd_per_image
        return _UNKNOWN if most is None else f"at most {most.normalize():f}"
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{usd} ({quality})" for quality, usd in found.items())


def _facts(model: Model) -> list[str]:
    """Return what is known about a model, in words."""
    facts, n_references = model.facts, model.facts.max_reference_images
    known = [
        _shutdown(facts),
        f"sizes: {_sizes(facts)}" if facts.sizes or facts.size_rule else "",
        f"parameters: {_parameters(facts)}" if facts.parameters else "",
        _said(n_references, f"up to {n_references} reference images", "no reference images"),
        _said(facts.mask, "a mask", "no mask"),
        _said(facts.negative_prompt, "a negative prompt", "no negative prompt"),
        _said(facts.honors_seed, "the same seed gives the same image", "the same seed gives a different image"),
        _said(facts.max_prompt_characters, f"at most {facts.max_prompt_characters or 0:,} characters per prompt", ""),
        _batch_share(model),
    ]
    return [fact for fact in known if fact]


def _shutdown(facts: ModelFacts) -> str:
    if facts.retires_on is None:
        return ""
    instead = " or ".join(f"`{name}`" for name in facts.use_instead)
    return f"**shut down on {facts.retires_on}**" + (f"; use {instead} instead" if instead else "")


def _batch_share(model: Model) -> str:
    prices = model.facts.prices
    if not takes_batches(provider_class(model.provider)) or prices is None or prices.batch_share == 1:
        return ""
    return f"{prices.batch_share:.0%} of the price in a batch (`mode: batch`)"


def _said(value: int | None, yes: str, no: str) -> str:
    return "" if value is None else yes if value else no


def _sizes(facts: ModelFacts) -> str:
    words, rule = [f"`{size}`" for size in facts.sizes or ()], facts.size_rule
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
