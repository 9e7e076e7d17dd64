"""The calls for one key, summed up for the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from imagemake.store.calls_on_disk import CallsOnDisk, only
from imagemake.store.journal import Call, Outcome
from imagemake.store.ledger import Tally

MOST_IN_MEMORY = 4_096  # keys
BROUGHT = (Outcome.MADE, Outcome.SHARED)
SHOWN = ("at", "seed_use", "seed_used", "model_used", "request_id", "seconds", "gpu", "message", "origin")


@dataclass(slots=True)
class Calls:
    """The calls for one key: their totals, and how one ended: the one that made the image, otherwise the last one.

    Attributes:
        outcome: How that call ended; None without calls.
        closed: Of its record in the journal, what a manifest shows; empty for a call that was never closed.
        tally: Sum of all calls.
    """

    outcome: Outcome | None = None
    closed: Mapping[str, Any] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def add(self, call: Call) -> None:
        """Add a call. Its record is not kept: with the recipes, the journal would take most of the memory."""
        self.tally.add(call)
        if call.outcome in BROUGHT or self.outcome not in BROUGHT:
            closed = call.closed or {}
            self.outcome, self.closed = call.outcome, only(closed, SHOWN)

    @property
    def n(self) -> int:
        """Number of calls."""
        return self.tally.calls

    @property
    def is_shared(self) -> bool:
        """Whether the image came from the team store."""
        return self.outcome is Outcome.SHARED

    @property
    def cost_usd(self) -> float | None:
        """Cost of the calls that were answered; None if unknown."""
        tally = self.tally
        if tally.shared and not tally.calls:
            return 0.0  # someone else paid
        if tally.calls == tally.unknown or tally.cost_unknown > tally.unknown:
            return None
        return float(tally.billed_usd)

    @property
    def unknown_calls(self) -> int:
        """Number of calls without an answer that may have been billed. A free provider never bills."""
        return self.tally.unknown if self.tally.worst_usd != 0 else 0

    @property
    def unknown_worst_usd(self) -> float | None:
        """Most that calls without an answer can have cost; None if there are none, or if unknown."""
        return float(self.tally.worst_usd) if self.tally.worst_usd else None


class CallsByKey:
    """What a manifest shows of the calls of a journal, by key. First add all calls, then look them up."""

    def __init__(self) -> None:
        self._kept = CallsOnDisk(["worst_usd"], [*SHOWN, "cost_usd"])
        self.add, self.of = self._kept.add, lru_cache(MOST_IN_MEMORY)(self._of)

    def _of(self, key: str) -> Calls:
        """Return the calls for a key; empty without any."""
        found = Calls()
        for call in self._kept.of(key):
            found.add(call)
        return found
