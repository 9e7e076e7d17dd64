"""What images cost, as this store's own journal tells it: for models whose price or tokens nobody has published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from imagemake.config.models import Model
from imagemake.core.recipe import Recipe
from imagemake.store.journal import Call, Outcome

LEAST_CALLS = 3  # fewer say little: the tokens of one image vary

Kind = tuple[str, str, str, str, int, bool]  # provider, model, size, quality, images sent, in a batch


@dataclass(slots=True)
class LearnedCosts:
    """Costs of the calls that made an image, by what decides them."""

    _sums: dict[Kind, tuple[int, float]] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        """Learn from a call; one without an image or a known cost teaches nothing."""
        cost_usd = (call.closed or {}).get("cost_usd")
        if call.outcome is Outcome.MADE and cost_usd is not None:
            kind = _kind(call.sent["recipe"], batch="submission" in call.sent)
            n, total_usd = self._sums.get(kind, (0, 0.0))
            self._sums[kind] = n + 1, total_usd + cost_usd

    def mean_usd(self, model: Model, recipe: Recipe, *, batch: bool) -> float | None:
        """Return what an image cost on average, in USD; None after fewer than three of its kind.

        A kind is a size, a quality, and how many images are sent with the prompt.

        Args:
            model: What is known of the model; its share of the price in batches is used where only the other way of
                asking was tried.
            recipe: What is wanted.
            batch: Whether it will be asked for in a batch.
        """
        data = recipe.as_dict()
        prices = model.facts.prices
        share = float(prices.batch_share if prices else Decimal(1)) or 1.0
        factors = {batch: 1.0, (not batch): share if batch else 1 / share}
        for in_batch, factor in factors.items():
            n, total_usd = self._sums.get(_kind(data, batch=in_batch), (0, 0.0))
            if n >= LEAST_CALLS:
                return factor * total_usd / n
        return None


def _kind(recipe: Mapping[str, Any], *, batch: bool) -> Kind:
    parameters = recipe.get("parameters", {})
    size, quality = (str(parameters.get(name, "auto")) for name in ("size", "quality"))
    sent = len(recipe.get("references", ())) + ("mask" in recipe)
    return recipe["provider"], recipe["model"], size, quality, sent, batch
