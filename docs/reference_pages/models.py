"""The known models, from imagemake/config/models/models.toml, for docs/reference/models.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from imagemake.config.models import Model, ModelFacts, estimate_usd, load_models
from imagemake.config.models.words import accepted_in_words, price_in_words
from imagemake.config.presets import presets
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import provider_class, takes_batches
from reference_pages.markdown import table

_EXAMPLE_SIZES = ("1024x1024", "1:1@1K", "1:1")  # a square of a megapixel, as models name it
_PROMPT = "x" * 400  # about 100 tokens
_PRICE_HEADER = ["model", "USD per image", "price in USD", "valid on"]
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
    price = price_in_words(model.facts)
    as_of = str(model.facts.prices.as_of) if model.facts.prices and price else ""
    return [_costs(model), price or _UNKNOWN, as_of]


def _costs(model: Model) -> str:
    """Return the estimated cost of an image, by quality if it depends on that."""
    rule = (model.facts.parameters or {}).get("quality")
    qualities = [quality for quality in (rule.one_of or () if rule else ()) if quality != "auto"]
    found = {}
    for quality in qualities or [""]:
        if (usd := _estimate_usd(model, {"quality": quality} if quality else {})) is not None:
            found[quality] = f"{usd:.4f}".rstrip("0").rstrip(".") if usd else "0"
    if not found:
        most = model.facts.max_usd_per_image
        return _UNKNOWN if most is None else f"at most {most.normalize():f}"
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{usd} ({quality})" for quality, usd in found.items())


def _estimate_usd(model: Model, parameters: Mapping[str, str]) -> float | None:
    recipes = [Recipe(model.provider, model.name, _PROMPT, 0, {"size": size, **parameters}) for size in _EXAMPLE_SIZES]
    return next((usd for recipe in recipes if (usd := estimate_usd(model, recipe)) is not None), None)


def _facts(model: Model) -> list[str]:
    """Return what is known about a model, in words."""
    known = [_shutdown(model.facts), *accepted_in_words(model.facts), _batch_share(model)]
    return [fact for fact in known if fact]


def _shutdown(facts: ModelFacts) -> str:
    if facts.retires_on is None:
        return ""
    instead = " or ".join(f"`{name}`" for name in facts.use_instead)
    return f"**shut down on {facts.retires_on}**" + (f"; use {instead} instead" if instead else "")


def _batch_share(model: Model) -> str:
    prices = model.facts.prices
    kind = "openai" if model.provider in presets() else model.provider
    if not takes_batches(provider_class(kind)) or prices is None or prices.batch_share == 1:
        return ""
    return f"{prices.batch_share:.0%} of the price in a batch (`mode: batch`)"
