"""What images cost by this store's own journal, for models without published prices or token counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from imagemake.config.models import Model
from imagemake.core.recipe import Recipe
from imagemake.store.journal import Call, Outcome

LEAST_CALLS = 3  # the tokens of one image vary too much to learn from fewer

Kind = tuple[str, str, str, str, int, bool]  # provider, model, size, quality, images sent, in a batch


@dataclass(slots=True)
class LearnedCosts:
    """Costs of the calls that made an image, by kind of image."""

    _sums: dict[Kind, tuple[int, float]] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        """Learn from a call, unless it made no image or its cost is unknown."""
        cost_usd = (call.closed or {}).get("cost_usd")
        if call.outcome is Outcome.MADE and cost_usd is not None:
            kind = _kind(call.sent["recipe"], batch="submission" in call.sent)
            n, total_usd = self._sums.get(kind, (0, 0.0))
            self._sums[kind] = n + 1, total_usd + cost_usd

    def mean_usd(self, model: Model, recipe: Recipe, *, batch: bool) -> float | None:
        """Return the average cost of an image, in USD; None after fewer than three images of its kind.

        A kind is a size, a quality, and the number of images that are sent with the prompt.

        Args:
            model: The model table's entry. Its batch discount is applied if earlier calls were made only in batches, or
                only image by image.
            recipe: The recipe.
            batch: Whether the image will be requested in a batch.
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
    return recipe.get("provider", ""), recipe["model"], size, quality, sent, batch
