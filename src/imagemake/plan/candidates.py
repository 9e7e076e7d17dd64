"""Candidates: several images per attempt, of which only the best one is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from imagemake.core.recipe import Recipe, derive_seed
from imagemake.plugins.measures import Value


@dataclass(frozen=True, slots=True)
class CandidatePolicy:
    """How many candidates an attempt has, and how they are scored.

    Attributes:
        n: Images per attempt.
        weights: Weights of quantities in the score; a negative weight counts against an image.
    """

    n: int = 1
    weights: Mapping[str, float] = field(default_factory=dict)

    def recipes(self, recipe: Recipe) -> list[Recipe]:
        """Return the recipes of an attempt's candidates: the attempt's own recipe, then some with other seeds."""
        others = (replace(recipe, seed=derive_seed("candidate", recipe.seed, i)) for i in range(1, self.n))
        return [recipe, *others]

    def score(self, values: Mapping[str, Value]) -> float:
        """Return the weighted sum of an image's quantities; a missing one counts as 0."""
        return sum(weight * _number(values.get(name)) for name, weight in self.weights.items())


def ranked(scores: Iterable[tuple[bool, float]]) -> list[int]:
    """Return the positions of candidates, the best one first.

    Args:
        scores: For each candidate, whether a reviewer approved it, which outweighs every score, and its score. Of equal
            candidates, the first is better.
    """
    order = sorted(((not approved, -score, place) for place, (approved, score) in enumerate(scores)))
    return [place for *_, place in order]


def _number(value: Value | None) -> float:
    return 0.0 if value is None or isinstance(value, str) else float(value)
