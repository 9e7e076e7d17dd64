"""Follows a job that generates: tells its progress about once a second, and looks whether the run is to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from operator import itemgetter
from typing import TYPE_CHECKING

from imagemake.store.items import FailureReason
from imagemake.store.journal import Journal
from imagemake.store.progress import JobProgress

if TYPE_CHECKING:
    from imagemake.stages.generate.calls import CallRunner

NOT_ENDED = (FailureReason.STOPPED, FailureReason.WAITING)  # the next run goes on with these
LOOK_EVERY_S = 1.0
WORTH_TELLING_S = 2.0  # a shorter wait is over before somebody reads it


@asynccontextmanager
async def followed(
    runners: Sequence[CallRunner], journal: Journal, progress: JobProgress, stop: Callable[[], None]
) -> AsyncIterator[None]:
    """Follow call runners for as long as the block runs.

    Args:
        runners: Those that generate the images of the job.
        journal: Records their calls.
        progress: Takes their progress.
        stop: Called when the run was told to stop.
    """
    follower = asyncio.create_task(_follow(runners, journal, progress, stop))
    try:
        yield
    finally:
        follower.cancel()
        progress.end(**_counts(runners, journal))


async def _follow(
    runners: Sequence[CallRunner], journal: Journal, progress: JobProgress, stop: Callable[[], None]
) -> None:
    while True:
        if progress.run_is_stopping:
            stop()
        now = time.time()
        waits_for, until = max((runner.gate.waits_for for runner in runners), key=itemgetter(1), default=("", 0.0))
        is_held = until - now >= WORTH_TELLING_S
        progress.update(
            in_flight=journal.in_flight,
            waits_for=waits_for if is_held else "",
            waits_until=until if is_held else 0.0,
            **_counts(runners, journal),
        )
        await asyncio.sleep(LOOK_EVERY_S)


async def wait_for_stop(progress: JobProgress) -> None:
    """Wait until the run is told to stop."""
    while not progress.run_is_stopping:
        await asyncio.sleep(LOOK_EVERY_S)


def _counts(runners: Sequence[CallRunner], journal: Journal) -> dict[str, float]:
    done = sum(runner.done[None] for runner in runners)
    failed = sum(n for runner in runners for reason, n in runner.done.items() if reason and reason not in NOT_ENDED)
    return {"done": done, "failed": failed, "cost_usd": journal.cost_usd}
