"""Run the calls and batches of a job until they end, or until the job is told to stop.

A signal tells it, or the note of a run that was told so itself; see `imagemake.workflow.stopping`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from imagemake.core.text import counted
from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.stages.generate.batches.submit import BatchRunner
from imagemake.stages.generate.calls import CallRunner, StoppedError, ToldToStopError
from imagemake.stages.generate.progress import followed, wait_for_stop
from imagemake.stages.generate.side_by_side import Work, generate_side_by_side
from imagemake.store.items import Item
from imagemake.store.progress import JobProgress, no_progress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME_S = 1.0  # a closed terminal can send its signal twice
RUN_STOPS = "the end of the run"


async def generate_batch(
    work: Sequence[Work], calls: int, grace_s: float, progress: JobProgress | None = None
) -> list[Item]:
    """Generate the images of a batch, and end cleanly on a signal, or if the run is stopped.

    After a signal, no new call starts. Calls in flight have some time to end; then, or after a second signal, they are
    given up.

    Args:
        work: Call runners with their items; their gates share one `stopping`, and they share one journal.
        calls: Concurrent calls.
        grace_s: How long calls in flight may take to end after a signal, in seconds.
        progress: Takes the progress of the job; None if nobody reads it.

    Raises:
        StoppedError: If no call can succeed until the user acts, or the process was told to end.
    """
    loop = asyncio.get_running_loop()
    generating = asyncio.ensure_future(generate_side_by_side(work, calls))
    runners = [runner for runner, _ in work]
    told: list[tuple[str, float]] = []

    def stop(name: str) -> None:
        is_first = not told
        told.append((name, loop.time()))
        if is_first:
            for runner in runners:
                runner.stop()
            loop.call_later(grace_s, generating.cancel)
        elif name != RUN_STOPS and loop.time() - told[0][1] >= SAME_S:
            generating.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number.name)
    try:
        async with followed(runners, runners[0].caller.journal, progress or no_progress(), lambda: stop(RUN_STOPS)):
            made = await generating
    except asyncio.CancelledError:
        waited_s = loop.time() - told[0][1] if told else grace_s
        stays = _stays(runners)
        given_up = f"calls in flight did not end within {waited_s:.0f} s; they may be billed"
        raise ToldToStopError(f"stopped; {stays}" if stays else given_up) from None
    if told:
        stays = _stays(runners) or "every image that arrived is in the store"
        raise ToldToStopError(f"stopped by {told[0][0]}; {stays}")
    return made


def _stays(runners: Sequence[CallRunner]) -> str:
    n = sum(runner.in_queue for runner in runners)
    return f"{counted(n, 'call')} in the provider's queue: the next run asks for what was submitted" if n else ""


async def run_batches(runner: BatchRunner, items: Sequence[Item], *, buys: bool) -> list[Item]:
    """Collect open submissions, then submit if `buys`; a signal ends this at once and loses nothing.

    Raises:
        StoppedError: If no call can succeed until the user acts, or the process was told to end.
    """
    loop = asyncio.get_running_loop()

    async def steps() -> list[Item]:
        used_up = runner.used_up
        try:
            await runner.poller.collect_open(items)
            if used_up is None or not used_up.is_told():
                return await runner.generate_all(items) if buys else []
        except ProviderError as error:
            if error.failure is not FailureKind.QUOTA or used_up is None:
                raise
            used_up.tell(error, runner.provider.remedy_of(error))
        return [runner.with_raw(item) for item in items] if buys else []

    work = asyncio.ensure_future(steps())
    stop = asyncio.ensure_future(wait_for_stop(runner.poller.progress))
    stop.add_done_callback(lambda done: work.cancel())
    for number in SIGNALS:
        loop.add_signal_handler(number, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        raise ToldToStopError(
            "stopped; submitted batches continue at the provider, and the next run collects their images"
        ) from None
    except ProviderError as error:
        model, url = items[0].recipe.model, runner.provider.connection.base_url
        raise StoppedError.by(error, model, url, runner.provider.remedy_of(error)) from None
    finally:
        stop.cancel()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
