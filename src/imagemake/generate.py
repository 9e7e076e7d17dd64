"""From a batch of requests to pictures in the store: the only stage that spends money."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from imagemake.batch import Item
from imagemake.batch_buying import BatchBuyer
from imagemake.budget import Budget, Purse
from imagemake.buyer import Buyer, StoppedError
from imagemake.journal import Journal
from imagemake.models import Model, load_models
from imagemake.pace import Gate, SharedPace
from imagemake.providers import Provider, ProviderError, provider_class
from imagemake.providers.batches import BatchProvider
from imagemake.store import Store
from imagemake.submissions import Submissions
from imagemake.wanted.sections import Sections


async def generate_batch(items: Sequence[Item], buyer: Buyer, grace_s: float) -> list[Item]:
    """Make a batch's pictures, and end well when the process is told to end.

    SIGINT and SIGTERM let calls in flight land, and start no others; what has not landed after a while is given up.

    Args:
        items: The batch.
        buyer: Who makes them.
        grace_s: How long calls in flight may take to land, in seconds.

    Raises:
        StoppedError: If no call can succeed until the user does something, or the process was told to end.
    """
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(buyer.buy_all(items))
    told: list[str] = []

    def stop(name: str) -> None:
        told.append(name)
        buyer.gate.stopping.set()
        loop.call_later(grace_s, work.cancel)

    for name in ("SIGINT", "SIGTERM"):
        loop.add_signal_handler(getattr(signal, name), stop, name)
    try:
        made = await work
    except asyncio.CancelledError:
        raise StoppedError(f"calls in flight did not land within {grace_s:g} s; they may be billed") from None
    finally:
        await buyer.provider.close()
    if told:
        raise StoppedError(f"stopped by {told[0]}; every picture that came is in the store")
    return made


def generate_for_job(
    items: Sequence[Item], sections: Sections, *, job: str, calls: int, store: Path, work: Path
) -> list[Item]:
    """Make a batch's pictures, as a job does; what the store holds is adopted without starting the provider.

    Args:
        items: The batch.
        sections: The campaign's sections ``campaign``, ``model``, ``models``, ``budget_usd`` and ``limits``.
        job: Name for the journal file.
        calls: Calls at once.
        store: The store's folder.
        work: Where the rates that jobs share are kept.

    Returns:
        The items in their order, each with its raw picture or its failure.

    Raises:
        StoppedError: If no call can succeed until the user does something.
    """
    shelf = Store(store)
    held = {item.key: shelf.raw.find(item.key) for item in items}
    if all(held.values()):
        return [replace(item, raw=held[item.key]) for item in items]
    settings, limits = sections.model, sections.limits
    try:
        provider = provider_class(settings.provider)(base_url=settings.base_url, timeout_s=limits.timeout_s)
    except ProviderError as error:
        raise StoppedError(f"{error}\n{error.remedy or ''}".strip()) from None
    table = load_models(sections.models)

    def model_of(name: str) -> Model | None:
        return table.get(settings.provider, name)

    purse = Purse(work / "purse.json", sections.budget_usd if provider.paid else Budget())
    if isinstance(provider, BatchProvider) and (settings.mode == "batch" or any(Submissions(store).all())):
        by_batch = BatchBuyer(provider, settings.provider, shelf, limits, purse, sections.campaign, job, model_of)
        made = asyncio.run(_by_batches(by_batch, items, buys=settings.mode == "batch"))
        if settings.mode == "batch":
            return made
        provider = provider_class(settings.provider)(base_url=settings.base_url, timeout_s=limits.timeout_s)
    journal = Journal(shelf.journal_folder, job, durable=provider.paid)

    async def run() -> list[Item]:
        gate = Gate(calls, SharedPace(work / "pace.json", limits))
        buyer = Buyer(provider, shelf, journal, limits, gate, purse, sections.campaign, model_of)
        return await generate_batch(items, buyer, limits.grace_s)

    try:
        return asyncio.run(run())
    finally:
        journal.close()


async def _by_batches(buyer: BatchBuyer, items: Sequence[Item], *, buys: bool) -> list[Item]:
    """Collect open submissions, then buy in batches if asked to; SIGINT and SIGTERM end it at once, losing nothing."""
    loop = asyncio.get_running_loop()

    async def steps() -> list[Item]:
        await buyer.collect_open(items)
        return await buyer.buy_all(items) if buys else []

    work = asyncio.ensure_future(steps())
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        raise StoppedError(
            "stopped; a batch that was submitted goes on at the provider, and the next run picks its results up"
        ) from None
    except ProviderError as error:
        raise StoppedError(f"{error}\n{error.remedy or ''}".strip()) from None
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)
        await cast("Provider", buyer.provider).close()
