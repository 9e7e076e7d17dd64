"""The calls for one key, summed up for the manifest."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagemake.store.journal import Call, Outcome
from imagemake.store.ledger import Tally

BROUGHT = (Outcome.MADE, Outcome.SHARED)


@dataclass(slots=True)
class Calls:
    """The calls for one key: their totals, and the call that made the image, otherwise the last call."""

    told: Call | None = None
    tally: Tally = field(default_factory=Tally)

    def add(self, call: Call) -> None:
        """Add a call."""
        self.tally.add(call)
        if call.outcome in BROUGHT or self.told is None or self.told.outcome not in BROUGHT:
            self.told = call

    @property
    def n(self) -> int:
        """Number of calls."""
        return self.tally.calls

    @property
    def is_shared(self) -> bool:
        """Whether the image came from the team store."""
        return self.told is not None and self.told.outcome is Outcome.SHARED

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
