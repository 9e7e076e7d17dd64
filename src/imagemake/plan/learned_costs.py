"""What images cost by this store's own journal, for models without published prices or token counts.

On a GPU that is billed by the hour, the time of an image is learned, so that a new price counts at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from imagemake.config.models import Model, gpu_usd, is_by_gpu_hour
from imagemake.core.recipe import Recipe
from imagemake.store.journal import Call, Outcome

LEAST_CALLS = 3  # the tokens of one image vary too much to learn from fewer

Kind = tuple[str, str, str, str, int, bool]  # provider, model, size, quality, images sent, in a batch

GpuKind = tuple[str, str, str, int]  # provider, model, parameters, images sent


@dataclass(slots=True)
class LearnedCosts:
    """Costs of the calls that made an image, by kind of image."""

    _sums: dict[Kind, tuple[int, float]] = field(default_factory=dict)
    _seconds: dict[GpuKind, tuple[int, float]] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        """Learn from a call, unless it made no image or its cost is unknown."""
        cost_usd = (call.closed or {}).get("cost_usd")
        if call.outcome is not Outcome.MADE:
            return
        recipe = call.sent["recipe"]
        if gpu := (call.closed or {}).get("gpu"):
            gpu_kind = _gpu_kind(recipe)
            n, total_s = self._seconds.get(gpu_kind, (0, 0.0))
            self._seconds[gpu_kind] = n + 1, total_s + gpu["seconds"]
        if cost_usd is not None:
            kind = _kind(recipe, batch="submission" in call.sent)
            n, total_usd = self._sums.get(kind, (0, 0.0))
            self._sums[kind] = n + 1, total_usd + cost_usd

    def mean_usd(self, model: Model, recipe: Recipe, *, batch: bool) -> float | None:
        """Return the average cost of an image, in USD; None after fewer than three images of its kind.

        A kind is a size, a quality, and the number of images that are sent with the prompt; on a GPU that is billed by
        the hour, all parameters and that number.

        Args:
            model: The model table's entry. Its batch discount is applied if earlier calls were made only in batches, or
                only image by image.
            recipe: The recipe.
            batch: Whether the image will be requested in a batch.
        """
        data = recipe.as_dict()
        if is_by_gpu_hour(model):
            n, total_s = self._seconds.get(_gpu_kind(data), (0, 0.0))
            return gpu_usd(model, total_s / n) if n >= LEAST_CALLS else None
        prices = model.facts.prices
        share = float(prices.batch_share if prices else Decimal(1)) or 1.0
        factors = {batch: 1.0, (not batch): share if batch else 1 / share}
        for in_batch, factor in factors.items():
            n, total_usd = self._sums.get(_kind(data, batch=in_batch), (0, 0.0))
            if n >= LEAST_CALLS:
                return factor * total_usd / n
        return None

    def as_data(self) -> dict[str, Any]:
        """Return the sums as plain data."""
        return {
            "sums": [[*kind, *total] for kind, total in self._sums.items()],
            "seconds": [[*kind, *total] for kind, total in self._seconds.items()],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> LearnedCosts:
        """Return what `as_data` returned as costs."""
        found = cls()
        for *kind, n, total in data.get("sums", ()):
            found._sums[kind[0], kind[1], kind[2], kind[3], kind[4], kind[5]] = n, total
        for *kind, n, total in data.get("seconds", ()):
            found._seconds[kind[0], kind[1], kind[2], kind[3]] = n, total
        return found


def _gpu_kind(recipe: Mapping[str, Any]) -> GpuKind:
    parameters = sorted(recipe.get("parameters", {}).items())
    return recipe.get("provider", ""), recipe["model"], repr(parameters), _n_sent(recipe)


def _n_sent(recipe: Mapping[str, Any]) -> int:
    return len(recipe.get("references", ())) + ("mask" in recipe)


def _kind(recipe: Mapping[str, Any], *, batch: bool) -> Kind:
    parameters = recipe.get("parameters", {})
    size, quality = (str(parameters.get(name, "auto")) for name in ("size", "quality"))
    return recipe.get("provider", ""), recipe["model"], size, quality, _n_sent(recipe), batch
