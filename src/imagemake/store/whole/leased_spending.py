"""The budget of a run whose jobs share a bucket and no disk: each job takes some of it at a time.

One file in the bucket holds what the jobs have taken. A job takes as much as its calls in flight can cost, so it asks
rarely, and gives back what it did not need. What a killed job took stays taken until the next run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from imagemake.core.fingerprint import fingerprint
from imagemake.core.sealed import DamagedStateError, parsed_sealed, seal
from imagemake.store.spending import OverBudgetError, SpendTracker

if TYPE_CHECKING:
    from imagemake.config.run import Budget
    from imagemake.store.in_bucket import Bucket
    from imagemake.store.remote.storage import Storage

NAME = "work/spending.json"
MAX_BYTES = 100_000_000


class LeasedSpendTracker(SpendTracker):
    """Keeps the jobs of a run within their shared budget; see `SpendTracker`.

    Args:
        place: Where the run's ``work/`` is, which has the shared file.
        bucket: The store, whose claims keep two jobs from changing the file at once.
        budget: Limits of the run and the campaign.
        calls: Concurrent calls of the job.
    """

    def __init__(self, place: Storage, bucket: Bucket, budget: Budget, calls: int) -> None:
        super().__init__(Path(NAME), budget)
        self._place, self._calls = place, max(1, calls)
        self._bucket = bucket
        self._within = threading.RLock()
        self._left = Decimal(0)

    def open(self, spent_before: Decimal) -> None:
        """Start a run; see `SpendTracker.open`."""
        with self._alone():
            self._write({"before": str(spent_before), "run": "0", "left_out": []})

    def reserve_all(self, worst_usd: Mapping[str, float | None]) -> dict[str, Decimal | OverBudgetError]:
        """Reserve the highest possible costs of calls; see `SpendTracker.reserve_all`."""
        if not self._budget.is_limited:
            return dict.fromkeys(worst_usd, Decimal(0))
        with self._within:
            calls = max(self._calls, len(worst_usd))  # those of a batch too are asked for at once
            return {key: self._reserved(key, worst, calls) for key, worst in worst_usd.items()}

    def record_costs(self, costs: Iterable[tuple[Decimal, float | None]]) -> None:
        """Replace reserved amounts by costs; see `SpendTracker.record_costs`."""
        if self._budget.is_limited:
            with self._within:
                known = [(amount, cost) for amount, cost in costs if cost is not None]
                self._left += sum((amount - Decimal(str(cost)) for amount, cost in known), Decimal(0))

    def close(self) -> None:
        """Give back what this job took and does not need."""
        with self._within:
            if self._left:
                self._change(-self._left)

    def _reserved(self, key: str, worst_usd: float | None, calls: int) -> Decimal | OverBudgetError:
        wanted = Decimal(str(worst_usd or 0))
        if worst_usd is None or self._left < wanted:
            with self._alone():
                state = self._read()
                # As much as all calls in flight can cost, or else what this one needs.
                amounts = (wanted * calls, wanted - self._left) if worst_usd is not None else (None,)
                for amount in amounts:
                    found = self._fitting(state, None if amount is None else float(amount))
                    if isinstance(found, Decimal):
                        self._left += found
                        self._write({**state, "run": str(Decimal(state["run"]) + found)})
                        break
                else:
                    self._write({**state, "left_out": sorted({*state["left_out"], key})})
                    assert isinstance(found, OverBudgetError)
                    return found
        self._left -= wanted
        return wanted

    def _change(self, amount: Decimal) -> None:
        with self._alone():
            state = self._read()
            self._write({**state, "run": str(Decimal(state["run"]) + amount)})
        self._left += amount

    @contextmanager
    def _alone(self) -> Iterator[None]:
        claim = self._bucket.claim(f"spending-{fingerprint([self._place.address])}")
        claim.acquire()
        try:
            yield
        finally:
            claim.release()

    def _read(self) -> dict[str, Any]:
        state = self._known()
        if state is None:
            raise DamagedStateError(f"{self._place.address}/{NAME} is missing or damaged.")
        return state

    def _known(self) -> dict[str, Any] | None:
        data = self._place.get(NAME, MAX_BYTES)
        return None if data is None else parsed_sealed(data)

    def _write(self, state: Mapping[str, Any]) -> None:
        self._place.put(NAME, seal(orjson.dumps(state)), "application/json")
