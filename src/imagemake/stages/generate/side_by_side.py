"""Several models in one job: each has its own gate, and all together hold no more calls than the job has tokens.

A model whose limit is drained waits with its own calls only; what it does not need any more goes to the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from imagemake.stages.generate.calls import CallRunner
from imagemake.store.items import Item

Work = tuple[CallRunner, Sequence[Item]]


async def buy_side_by_side(work: Sequence[Work], calls: int) -> list[Item]:
    """Make the images of several buyers at once.

    Args:
        work: Buyers, each with what it makes; their gates share one `stopping`.
        calls: Calls at once, over all of them.

    Returns:
        All items, each with its raw image or its failure.

    Raises:
        StoppedError: If no call can succeed until the user does something; all that was in flight has landed.
    """
    shares = share_out(calls, [len(items) for _, items in work])
    waiting = deque(one for one, share in zip(work, shares, strict=True) if not share)
    running: dict[asyncio.Task[list[Item]], CallRunner] = {}

    def start(one: Work, share: int) -> None:
        runner, items = one
        runner.gate.most = runner.gate.allowed = share
        running[asyncio.create_task(runner.buy_all(items))] = runner

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
    """Divide calls at once among groups: as evenly as can be, none with more than it has to make.

    Args:
        calls: At least 1.
        sizes: Of the groups.

    Returns:
        Shares in the order of the groups, together at most `calls`; those that get 0 have to wait.
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
