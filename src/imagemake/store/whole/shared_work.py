"""What jobs without a shared disk have in place of ``work/``: a place in a bucket, named by an environment variable.

The tables of jobs go through Snakemake's storage. Rates are divided: a job gets the share of each that it has of the
calls in flight, which Snakemake limits over all jobs. The budget is taken in parts.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.store.in_bucket import bucket_of
from imagemake.store.layout import spending_file
from imagemake.store.spending import SpendTracker
from imagemake.store.whole.leased_spending import LeasedSpendTracker

if TYPE_CHECKING:
    from imagemake.config.run import Budget
    from imagemake.store.remote.storage import Storage

VARIABLE = "IMAGEMAKE_WORK"  # set for jobs by the workflow where Snakemake has a default storage
TIMEOUT_S = 30.0


def shared_work() -> Storage | None:
    """Return the place of ``work/`` that jobs share; None if they share a disk."""
    address = os.environ.get(VARIABLE)
    if not address:
        return None
    from imagemake.store.remote.storage import Storage

    return Storage(address, timeout_s=TIMEOUT_S)


def spend_tracker_of(store: Path, work: Path, budget: Budget, calls: int = 1) -> SpendTracker:
    """Return what keeps a job within the budget of its run.

    Args:
        store: Folder of the store.
        work: Folder of the run's state, if jobs share a disk.
        budget: The budget of the run and the campaign.
        calls: Concurrent calls of the job.
    """
    bucket = bucket_of(store)
    place = shared_work() if budget.is_limited and bucket is not None else None
    if place is None or bucket is None:
        return SpendTracker(spending_file(work), budget)
    return LeasedSpendTracker(place, bucket, budget, calls)


def share_of_rates(calls: int, most: int) -> float | None:
    """Return the share of each rate that a job must keep to by itself; None if all jobs keep to it together.

    Args:
        calls: Concurrent calls of the job; 0 if it makes none, or computes by itself.
        most: Those of all jobs together, which Snakemake limits.
    """
    return min(1.0, calls / most or 1.0) if os.environ.get(VARIABLE) else None
