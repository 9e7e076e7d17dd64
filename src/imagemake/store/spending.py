"""How much: what all jobs of a run may spend together, calls in flight included.

Before a call, its worst case is reserved; after it, its cost takes that place. Both happen in one small file under a
kernel lock. The file is made anew when a run starts, from the journal, so no kill leaves a reservation behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from imagemake.config.run import Budget
from imagemake.core.errors import ImagemakeError
from imagemake.core.files import FileLock, write_whole
from imagemake.store.journal import Call, Outcome


class OverBudgetError(ImagemakeError):
    """A call does not fit into the budget; the message says which part of it is used up."""


def spent_usd(calls: Iterable[Call], campaign: str) -> Decimal:
    """Add up what a campaign has spent; a call that may have been billed counts with its worst case.

    Args:
        calls: The whole journal.
        campaign: The campaign's name.
    """
    total = Decimal(0)
    for call in calls:
        if call.sent.get("campaign") != campaign:
            continue
        known = (call.closed or {}).get("cost_usd")
        may_be_billed = call.outcome in (Outcome.MADE, Outcome.UNREADABLE, Outcome.UNKNOWN, Outcome.WAITING)
        worst = call.sent.get("worst_usd") if may_be_billed else None
        total += _usd(known if known is not None else worst)
    return total


class SpendTracker:
    """What is left of a budget, shared by the jobs of a run.

    Args:
        path: The shared file, usually ``work/spending.json``.
        budget: The limits.
    """

    def __init__(self, path: Path, budget: Budget) -> None:
        self._path = path
        self._budget = budget
        self._lock = FileLock(path.with_suffix(".lock"))

    def open(self, spent_before: Decimal) -> None:
        """Begin a run.

        Args:
            spent_before: What the campaign spent before it, in USD.
        """
        with self._lock:
            self._write({"before": str(spent_before), "run": "0", "left_out": []})

    def reserve(self, key: str, worst_usd: float | None) -> Decimal:
        """Set the worst case of a call aside.

        Args:
            key: What is to be bought; remembered if it is left out.
            worst_usd: The most it can cost; None where nobody knows.

        Returns:
            What was set aside, to give to `record_cost`.

        Raises:
            OverBudgetError: If it does not fit, or nobody knows.
        """
        reserved = self.reserve_all({key: worst_usd})[key]
        if isinstance(reserved, OverBudgetError):
            raise reserved
        return reserved

    def reserve_all(self, worst_usd: Mapping[str, float | None]) -> dict[str, Decimal | OverBudgetError]:
        """Set the worst cases of many calls aside, in their order, as `reserve` does for one.

        Args:
            worst_usd: The most that each can cost, by what is to be bought.

        Returns:
            By what is to be bought: what was set aside, or why it is left out.
        """
        if not self._budget.is_limited:
            return dict.fromkeys(worst_usd, Decimal(0))
        found: dict[str, Decimal | OverBudgetError] = {}
        with self._lock:
            state = self._read()
            for key, worst in worst_usd.items():
                found[key] = outcome = self._fitting(state, worst)
                if isinstance(outcome, Decimal):
                    state["run"] = str(Decimal(state["run"]) + outcome)
            left_out = (key for key, outcome in found.items() if isinstance(outcome, OverBudgetError))
            state["left_out"] = sorted({*state["left_out"], *left_out})
            self._write(state)
        return found

    def record_cost(self, reserved: Decimal, cost_usd: float | None) -> None:
        """Replace what was set aside by what it cost; None leaves the worst case standing."""
        self.record_costs([(reserved, cost_usd)])

    def record_costs(self, costs: Iterable[tuple[Decimal, float | None]]) -> None:
        """Do what `record_cost` does for many calls: what was set aside, and what it cost in USD."""
        known = [(reserved, cost_usd) for reserved, cost_usd in costs if cost_usd is not None]
        if self._budget.is_limited and known:
            with self._lock:
                state = self._read()
                change = sum((_usd(cost_usd) - reserved for reserved, cost_usd in known), Decimal(0))
                state["run"] = str(Decimal(state["run"]) + change)
                self._write(state)

    def left_out(self) -> frozenset[str]:
        """Return the keys that did not fit in this run."""
        return frozenset(self._read()["left_out"]) if self._budget.is_limited else frozenset()

    def _fitting(self, state: Mapping[str, Any], worst_usd: float | None) -> Decimal | OverBudgetError:
        """Return what can be set aside, or why it does not fit."""
        if worst_usd is None:
            return OverBudgetError(
                "its cost is not known, so no budget can be kept: say under models what it costs at most "
                "(max_usd_per_image)"
            )
        run = Decimal(state["run"]) + _usd(worst_usd)
        in_all = Decimal(state["before"]) + run
        if self._budget.run is not None and run > _usd(self._budget.run):
            return OverBudgetError(f"it does not fit into budget_usd.run, ${self._budget.run:,.2f}")
        if self._budget.campaign is not None and in_all > _usd(self._budget.campaign):
            return OverBudgetError(f"it does not fit into budget_usd.campaign, ${self._budget.campaign:,.2f}")
        return _usd(worst_usd)

    def _read(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {"before": "0", "run": "0", "left_out": []}
        return state

    def _write(self, state: Mapping[str, Any]) -> None:
        write_whole(self._path, orjson.dumps(state))


def _usd(amount: float | None) -> Decimal:
    return Decimal(0) if amount is None else Decimal(str(amount))
