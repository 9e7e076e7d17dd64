"""Before a run is planned, ask for images that earlier runs submitted to a provider's queue: their URLs expire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from imagemake.config.models import load_models
from imagemake.config.run import Budget
from imagemake.core.text import counted
from imagemake.plugins.providers import ProviderError
from imagemake.plugins.providers.queue import QueueProvider
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.one_call import Caller
from imagemake.stages.generate.queued import StillInQueueError
from imagemake.stages.generate.rate_limit import SharedPace
from imagemake.store.journal import Journal
from imagemake.store.layout import WORK, pace_file, spending_file
from imagemake.store.open_calls import OpenCall, OpenCalls
from imagemake.store.spending import SpendTracker

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.model import ModelSettings
    from imagemake.store.store import Store

T = TypeVar("T")
Act = Callable[["OpenCall", QueueProvider, "ModelSettings"], Awaitable[T]]
LONGEST_S = 60.0  # for one image: a plan cannot wait as long as a job
SHORT_S = 0.001  # one look; the jobs wait for what has not ended
AT_ONCE = 8
JOB = "queue"


def open_calls_words(store: Store) -> list[str]:
    """Return what a dry run says of calls in queues."""
    n = len(OpenCalls(store.root).all())
    words = (
        f"  Open at the provider: {counted(n, 'call')} in its queue. A run asks for their images, and pays for none."
    )
    return [words] if n else []


def take_up_open_calls(campaign: Campaign, store: Store) -> list[str]:
    """Put the images into the store that are there by now, also those that no request needs anymore.

    Args:
        campaign: Its models say which servers are known; calls of others stay open.
        store: The store.

    Returns:
        Lines for people.
    """
    found = OpenCalls(store.root).all()
    if not found:
        return []

    async def take_up(one: OpenCall, provider: QueueProvider, settings: ModelSettings) -> str | None:
        return await _take_up(one, _caller(provider, settings, campaign, store), store)

    with ThreadPoolExecutor(1) as thread:  # Snakemake's own event loop runs in this one
        ends = thread.submit(asyncio.run, at_providers(found, campaign, take_up)).result()
    left = len(OpenCalls(store.root).all())
    made, errors = ends.count(""), {end for end in ends if isinstance(end, str) and end}
    lines = [f"  {counted(made, 'image')} came from the queue, where an earlier run left them."] if made else []
    lines += [f"  Warning: a call of an earlier run ended without an image: {error}." for error in sorted(errors)]
    return [*lines, f"  {counted(left, 'call')} of earlier runs in the provider's queue."] if left else lines


async def at_providers(found: Sequence[OpenCall], campaign: Campaign, act: Act[T]) -> list[T | ProviderError]:
    """Do something about open calls, at most `AT_ONCE` at a time.

    Args:
        found: The calls; those of servers that the campaign does not know are left out.
        campaign: Says which servers are known.
        act: Takes a call, its provider, and the settings of its server.

    Returns:
        What each act returned, or its error, or the error with which the provider did not start.
    """
    done: list[T | ProviderError] = []
    table = load_models(campaign.models)
    servers = {(one.provider, one.endpoint): one for one in (campaign.model, *campaign.more_models.values())}
    for server, settings in servers.items():
        of_server = [one for one in found if one.server == server]
        if not of_server:
            continue
        try:
            provider = settings.connects_to.start(min(LONGEST_S, campaign.limits.timeout_s), table)
        except ProviderError as error:
            done.append(error)
            continue
        try:
            if isinstance(provider, QueueProvider):
                room = asyncio.Semaphore(AT_ONCE)
                done += await asyncio.gather(*(_acted(one, provider, settings, act, room) for one in of_server))
        finally:
            await provider.close()
    return done


async def _acted(
    found: OpenCall, provider: QueueProvider, settings: ModelSettings, act: Act[T], room: asyncio.Semaphore
) -> T | ProviderError:
    async with room:
        try:
            return await act(found, provider, settings)
        except ProviderError as error:
            return error


def _caller(provider: QueueProvider, settings: ModelSettings, campaign: Campaign, store: Store) -> Caller:
    limits = campaign.limits.model_copy(update={"queue_wait_s": SHORT_S, "tries": 1})
    gate = Gate(AT_ONCE, SharedPace(pace_file(WORK, JOB), limits))
    journal = Journal(store.journal_folder, JOB, durable=True)
    model_of = partial(settings.connects_to.model, table=load_models(campaign.models))
    spend_tracker = SpendTracker(spending_file(WORK), Budget())
    return Caller(provider, store, journal, limits, gate, spend_tracker, campaign.campaign, model_of)


async def _take_up(found: OpenCall, caller: Caller, store: Store) -> str | None:
    """Return the error with which a call ended; empty for an image, and None if the call is still open."""
    claim = store.claim(found.key)
    if not claim.acquire(wait=False):  # another run waits for it
        return None
    try:
        now = await caller.open_call(found.key)
        if now is None:
            return None
        await caller.take_up(now.item, now)
    except StillInQueueError:
        return None
    except ProviderError as error:
        return str(error)
    else:
        return ""
    finally:
        claim.release(remove=True)
