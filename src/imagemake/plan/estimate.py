"""What images will cost: known from prices, learned from earlier calls, or else reported as unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.config.models import Model, estimate_usd, is_by_gpu_hour
from imagemake.plugins.providers import provider_class

if TYPE_CHECKING:
    from imagemake.core.recipe import Recipe
    from imagemake.plan.learned_costs import LearnedCosts


@dataclass(slots=True)
class Estimate:
    """A sum over images.

    Attributes:
        images: Number of images.
        usd: Total of the known and the learned costs, in USD.
        learned: Number of images whose cost is learned from earlier calls.
        unknown: Number of images whose cost is unknown.
        most_of_unknown_usd: The most that those can cost, in USD; 0 or None if that is unknown too.
    """

    images: int = 0
    usd: float = 0.0
    learned: int = 0
    unknown: int = 0
    most_of_unknown_usd: float | None = 0.0

    def add(self, model: Model | None, recipe: Recipe, learned: LearnedCosts, *, batch: bool, n: int = 1) -> None:
        """Count one more image, or several alike.

        Args:
            model: The model table's entry; None where it has none.
            recipe: The recipe.
            learned: What earlier calls cost.
            batch: Whether the image is requested in a batch.
            n: How many.
        """
        usd = estimate_usd(model, recipe, batch=batch) if model else None
        if usd is None and not is_by_gpu_hour(model) and not provider_class(recipe.provider).paid:
            usd = 0.0
        if model and usd is None:
            usd = learned.mean_usd(model, recipe, batch=batch)
            self.learned += n * (usd is not None)
        self.images += n
        self.usd += n * (usd or 0.0)
        self.unknown += n * (usd is None)

    def bound(self, most_usd: float | None, n: int) -> None:
        """Say what one of `n` images whose cost is unknown can cost at most; None if that is unknown."""
        known = self.most_of_unknown_usd
        self.most_of_unknown_usd = None if known is None or most_usd is None else known + n * most_usd

    def __add__(self, other: Estimate) -> Estimate:
        mine, others = self.most_of_unknown_usd, other.most_of_unknown_usd
        return Estimate(
            self.images + other.images,
            self.usd + other.usd,
            self.learned + other.learned,
            self.unknown + other.unknown,
            None if mine is None or others is None else mine + others,
        )

    @property
    def is_free(self) -> bool:
        """Whether it is known to cost nothing."""
        return not self.usd and not self.unknown

    def __str__(self) -> str:
        if self.is_free:
            return "none"
        parts = [f"about ${self.usd:,.2f}"] if self.unknown < self.images else []
        if self.unknown:
            parts.append(f"unknown for {self.unknown:,} image{'' if self.unknown == 1 else 's'}")
        in_all = " in all" if self.unknown < self.images else ""
        most = f", at most ${self.usd + self.most_of_unknown_usd:,.2f}{in_all}" if self.most_of_unknown_usd else ""
        return " and ".join(parts) + most
