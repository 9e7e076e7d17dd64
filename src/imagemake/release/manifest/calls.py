"""The calls for one key, summed up for the manifest."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagemake.store.journal import Call, Outcome
from imagemake.store.ledger import Tally

BROUGHT = (Outcome.MADE, Outcome.SHARED)


@dataclass(slots=True)
class Calls:
    """The calls for one key: what they came to, and the one that made the image, else the last."""

    told: Call | None = None
    tally: Tally = field(default_factory=Tally)

    def add(self, call: Call) -> None:
        """Count one more call."""
        self.tally.add(call)
        if call.outcome in BROUGHT or self.told is None or self.told.outcome not in BROUGHT:
            self.told = call

    @property
    def n(self) -> int:
        """How many."""
        return self.tally.calls

    @property
    def is_shared(self) -> bool:
        """Whether the image came from the team's store."""
        return self.told is not None and self.told.outcome is Outcome.SHARED

    @property
    def cost_usd(self) -> float | None:
        """What they were billed, beside those without an answer; None where nobody knows."""
        tally = self.tally
        if tally.shared and not tally.calls:
            return 0.0  # somebody else paid
        if tally.calls == tally.unknown or tally.cost_unknown > tally.unknown:
            return None
        return float(tally.billed_usd)

    @property
    def unknown_calls(self) -> int:
        """How many had no answer and may have been billed: those of a free provider never are."""
        return self.tally.unknown if self.tally.worst_usd != 0 else 0

    @property
    def unknown_worst_usd(self) -> float | None:
        """What those without an answer can have cost at most; None where there are none, or nobody knows."""
        return float(self.tally.worst_usd) if self.tally.worst_usd else None
