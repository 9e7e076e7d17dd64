"""The budget that all jobs of a run share, including calls in flight.

A job reserves the highest possible cost before a call, and replaces it with the actual cost after the call. Both happen
in one small file under a kernel lock. Each run creates the file from the journal, so a killed run leaves no
reservations behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from imagemake.config.run import Budget
from imagemake.core.errors import ImagemakeError
from imagemake.core.files import FileLock
from imagemake.core.sealed import read_sealed, require_sealed, write_sealed
from imagemake.store.journal import Call, Outcome, read_calls
from imagemake.store.journal_lines import DamagedLine


class OverBudgetError(ImagemakeError):
    """A call exceeds the budget. The message names the limit."""


def spent_usd(calls: Iterable[Call], campaign: str) -> Decimal:
    """Return what a campaign has spent in USD. A call that may have been billed counts with its highest possible cost.

    Args:
        calls: All calls in the journal.
        campaign: Name of the campaign.
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


def spent_in(journal_folder: Path, campaign: str) -> Decimal:
    """Return what a campaign has spent in USD by a journal; see `spent_usd`.

    A call whose record is damaged counts with its highest possible cost too, whatever its campaign: a budget is rather
    not used up than exceeded.
    """
    damaged: list[DamagedLine] = []
    spent = spent_usd(read_calls(journal_folder, damaged), campaign)
    return spent + sum((one.lost.worst_usd for one in damaged), Decimal(0))


class SpendTracker:
    """Keeps the jobs of a run within their shared budget.

    Args:
        path: The shared file, usually ``work/spending.json``.
        budget: Limits of the run and the campaign.
    """

    def __init__(self, path: Path, budget: Budget) -> None:
        self._path = path
        self._budget = budget
        self._lock = FileLock(path.with_suffix(".lock"))

    def open(self, spent_before: Decimal) -> None:
        """Start a run.

        Args:
            spent_before: What the campaign spent before the run, in USD.
        """
        with self._lock:
            self._write({"before": str(spent_before), "run": "0", "left_out": []})

    def reserve(self, key: str, worst_usd: float | None) -> Decimal:
        """Reserve the highest possible cost of a call.

        Args:
            key: Key of the image. A key that exceeds the budget is listed by `left_out`.
            worst_usd: Highest possible cost in USD, or None if it is unknown.

        Returns:
            The reserved amount, for `record_cost`.

        Raises:
            OverBudgetError: If the cost exceeds the budget or is unknown.
        """
        reserved = self.reserve_all({key: worst_usd})[key]
        if isinstance(reserved, OverBudgetError):
            raise reserved
        return reserved

    def reserve_all(self, worst_usd: Mapping[str, float | None]) -> dict[str, Decimal | OverBudgetError]:
        """Reserve the highest possible costs of many calls, in their order, as `reserve` does for one.

        Args:
            worst_usd: Highest possible costs in USD, by key.

        Returns:
            By key, the reserved amount, or the error if the call exceeds the budget.

        Raises:
            DamagedStateError: If the file is missing or damaged: without it, the budget could be exceeded.
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
        """Replace a reserved amount with the actual cost in USD. If the cost is None, the reservation stays."""
        self.record_costs([(reserved, cost_usd)])

    def record_costs(self, costs: Iterable[tuple[Decimal, float | None]]) -> None:
        """Do the same as `record_cost` for many pairs of reserved amount and cost in USD."""
        known = [(reserved, cost_usd) for reserved, cost_usd in costs if cost_usd is not None]
        if self._budget.is_limited and known:
            with self._lock:
                state = self._known()
                if state is None:  # the image is there: let its call be closed; the next reservation stops the job
                    return
                change = sum((_usd(cost_usd) - reserved for reserved, cost_usd in known), Decimal(0))
                state["run"] = str(Decimal(state["run"]) + change)
                self._write(state)

    def left_out(self) -> frozenset[str]:
        """Return the keys that exceeded the budget in this run."""
        known = self._known() if self._budget.is_limited else None
        return frozenset((known or {}).get("left_out", ()))

    def close(self) -> None:
        """Give back what this process reserved and does not need."""

    def _fitting(self, state: Mapping[str, Any], worst_usd: float | None) -> Decimal | OverBudgetError:
        """Return the amount to reserve, or the error if it exceeds the budget."""
        if worst_usd is None:
            return OverBudgetError(
                "its cost is unknown, so it could exceed the budget: set max_usd_per_image of its model under models"
            )
        run = Decimal(state["run"]) + _usd(worst_usd)
        in_all = Decimal(state["before"]) + run
        if self._budget.run is not None and run > _usd(self._budget.run):
            return OverBudgetError(f"it would exceed budget_usd.run, ${self._budget.run:,.2f}")
        if self._budget.campaign is not None and in_all > _usd(self._budget.campaign):
            return OverBudgetError(f"it would exceed budget_usd.campaign, ${self._budget.campaign:,.2f}")
        return _usd(worst_usd)

    def _read(self) -> dict[str, Any]:
        return require_sealed(self._path)

    def _known(self) -> dict[str, Any] | None:
        return read_sealed(self._path)

    def _write(self, state: Mapping[str, Any]) -> None:
        write_sealed(self._path, state)


def _usd(amount: float | None) -> Decimal:
    return Decimal(0) if amount is None else Decimal(str(amount))
