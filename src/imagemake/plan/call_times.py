"""How long the calls of each model took, by this store's own journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from imagemake.store.journal import Call, Outcome

LEAST_CALLS = 5
MOST_CALLS = 200  # of the last ones, so that a server that got faster counts soon

ModelId = tuple[str, str | None, str]  # provider, endpoint, and name, as in recipes


def model_id(recipe: Mapping[str, Any]) -> ModelId:
    """Return the model of a recipe, which is plain data."""
    return recipe.get("provider", ""), recipe.get("endpoint"), recipe["model"]


@dataclass(slots=True)
class CallTimes:
    """Seconds of the last calls that made an image, by model; not those in batches of the provider."""

    _seconds: dict[ModelId, deque[float]] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        """Learn from a call."""
        seconds = (call.closed or {}).get("seconds")
        is_of_image = call.outcome is Outcome.MADE and "submission" not in call.sent and "kind" not in call.sent
        if is_of_image and seconds is not None:
            self._of(model_id(call.sent["recipe"])).append(seconds)

    def median_s(self, model: ModelId) -> float | None:
        """Return the median of the last calls of a model, in seconds; None after fewer than `LEAST_CALLS`."""
        found = sorted(self._seconds.get(model, ()))
        return found[len(found) // 2] if len(found) >= LEAST_CALLS else None

    def as_data(self) -> list[list[Any]]:
        """Return the times as plain data."""
        return [[*model, list(found)] for model, found in self._seconds.items()]

    @classmethod
    def from_data(cls, data: Iterable[Iterable[Any]]) -> CallTimes:
        """Return what `as_data` returned as times."""
        times = cls()
        for provider, endpoint, name, found in data:
            times._of((provider, endpoint, name)).extend(found)
        return times

    def _of(self, model: ModelId) -> deque[float]:
        return self._seconds.setdefault(model, deque(maxlen=MOST_CALLS))
