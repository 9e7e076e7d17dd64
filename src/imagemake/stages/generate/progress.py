"""The progress of a job, told on standard error now and then, and once at its end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from imagemake.store.items import FailureReason

TELL_EVERY_S = 10.0


@asynccontextmanager
async def told(done: Mapping[FailureReason | None, int], total: int, job: str, title: str) -> AsyncIterator[None]:
    """Tell the progress for as long as the block runs.

    Args:
        done: Number of images (None) and of failures per reason so far; it changes meanwhile.
        total: Number of images in all.
        job: Name of the job.
        title: Name of the model; empty if the job has one model.
    """
    teller = asyncio.create_task(_keep_telling(done, total, job, title))
    try:
        yield
    finally:
        teller.cancel()
        _tell(done, total, job, title)


async def _keep_telling(done: Mapping[FailureReason | None, int], total: int, job: str, title: str) -> None:
    while True:
        await asyncio.sleep(TELL_EVERY_S)
        _tell(done, total, job, title)


def _tell(done: Mapping[FailureReason | None, int], total: int, job: str, title: str) -> None:
    failed = [f"{n} {reason.words}" for reason, n in done.items() if reason is not None]
    words = ", ".join([f"{done.get(None, 0)} of {total} images", *sorted(failed)])
    with suppress(OSError):  # the reader may be gone before the last calls end
        print(": ".join(filter(None, (job, title, words))), file=sys.stderr, flush=True)
