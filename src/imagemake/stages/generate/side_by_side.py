"""Several models in one job: each has its own gate, and together they make no more calls than the job has tokens.

If the limit of a model is exhausted, only its own calls wait. Calls that a model no longer needs go to the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from imagemake.stages.generate.calls import CallRunner
from imagemake.store.items import Item

Work = tuple[CallRunner, Sequence[Item]]


async def generate_side_by_side(work: Sequence[Work], calls: int) -> list[Item]:
    """Run several call runners concurrently.

    Args:
        work: Call runners with their items; their gates share one `stopping`.
        calls: Concurrent calls over all runners.

    Returns:
        All items, each with its raw image or its failure.

    Raises:
        StoppedError: If no call can succeed until the user acts; all calls in flight have ended.
    """
    shares = share_out(calls, [len(items) for _, items in work])
    waiting = deque(one for one, share in zip(work, shares, strict=True) if not share)
    running: dict[asyncio.Task[list[Item]], CallRunner] = {}

    def start(one: Work, share: int) -> None:
        runner, items = one
        runner.gate.most = runner.gate.allowed = share
        running[asyncio.create_task(runner.generate_all(items))] = runner

    for one, share in zip(work, shares, strict=True):
        if share:
            start(one, share)
    done: list[asyncio.Task[list[Item]]] = []
    try:
        while running:
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            done += ended
            free = sum(running.pop(task).gate.most for task in ended)
            while waiting and free:
                start(waiting.popleft(), 1)
                free -= 1
            for runner, more in zip(running.values(), _evenly(free, len(running)), strict=True):
                await runner.gate.grow(more)
    except asyncio.CancelledError:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        raise
    return [item for task in done for item in task.result()]


def share_out(calls: int, sizes: Sequence[int]) -> list[int]:
    """Divide concurrent calls among groups: as evenly as possible, and none with more than its size.

    Args:
        calls: Concurrent calls, at least 1.
        sizes: Number of items per group.

    Returns:
        Shares in the order of the groups, in total at most `calls`; a group with 0 has to wait.
    """
    shares = [0] * len(sizes)
    while calls:
        hungry = [i for i, size in enumerate(sizes) if shares[i] < size]
        if not hungry:
            break
        for i in hungry[:calls]:
            shares[i] += 1
        calls -= min(calls, len(hungry))
    return shares


def _evenly(calls: int, parts: int) -> list[int]:
    return [calls // parts + (i < calls % parts) for i in range(parts)]
