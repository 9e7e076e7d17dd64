"""Generate the images of a batch of requests: the only stage that spends money."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from imagemake.config.job_settings import JobSettings
from imagemake.config.server import Server
from imagemake.core.files import write_whole
from imagemake.plugins.providers import BatchProvider, Provider
from imagemake.stages.generate.calls import StoppedError, ToldToStopError
from imagemake.stages.generate.gpu import gpu_of
from imagemake.stages.generate.job_means import JobMeans, class_of, settings_of_item
from imagemake.stages.generate.keeping import wait_for_disk_in_threads
from imagemake.stages.generate.kept_answers import kept_answers, read_kept, to_wait_for
from imagemake.stages.generate.servers.of_job import JobServers
from imagemake.stages.generate.stoppable import generate_batch, run_batches
from imagemake.store.fallback import take_back
from imagemake.store.items import FailureReason, Item, ItemFailure
from imagemake.store.layout import stop_file
from imagemake.store.progress import JobProgress, no_progress
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions
from imagemake.store.team.team_cache import exchange_of


def generate_for_job(
    items: Sequence[Item],
    job_settings: JobSettings,
    *,
    job: str,
    calls: int,
    store: Path,
    work: Path,
    progress: JobProgress | None = None,
    alert: Callable[[str], None] = lambda text: None,
) -> list[Item]:
    """Generate the images of a batch; if the store has all of them, the provider is not started.

    Args:
        items: The batch: of models that are called one by one, or of one model in batch mode.
        job_settings: The campaign's sections ``campaign``, ``model``, ``more_models``, ``models``, ``budget_usd``,
            ``limits`` and ``store``.
        job: Name for the journal file.
        calls: Concurrent calls; with 0, open batches are collected and no single call is made, except by providers
            that make images in the job itself, which have a number of their own.
        store: Folder of the store.
        work: Folder of the rates that jobs share.
        progress: Takes the progress of the job; None if nobody reads it.
        alert: Called with what is wrong with the GPU of the job, in words.

    Returns:
        The items in their order, each with its raw image or its failure.

    Raises:
        StoppedError: If no call can succeed until the user does something.
    """
    content_store = Store(store, shares=job_settings.store.team is not None)
    take_back(store)  # what another machine of a cluster cannot see, the plan could not take
    made = _stored(content_store, items)
    if made is not None:
        return made
    try:
        with exchange_of(job_settings.store, content_store, job_settings.campaign, job, items) as team_cache:
            if team_cache is not None:
                team_cache.take_all(items)
                made = _stored(content_store, items)
            if made is None:
                settings = settings_of_item(items[0], job_settings)  # of all, where the job makes the images itself
                with (
                    _run_stops_together(items, job_settings, work),
                    gpu_of(settings, work, progress, alert) as watch,
                ):
                    servers = JobServers(progress or no_progress())
                    means = JobMeans(
                        job_settings, content_store, job, calls, work, progress, team_cache, servers, watch
                    )
                    made = _Job(means).make(items)
            if team_cache is not None:
                team_cache.give_marked({item.key for item in items})
            return made
    except KeyboardInterrupt:
        raise ToldToStopError("stopped; the next run shares the remaining images") from None


@contextmanager
def _run_stops_together(items: Sequence[Item], job_settings: JobSettings, work: Path) -> Iterator[None]:
    """Start no call if another job of this run was told that none can succeed, and tell the others in turn."""
    note = stop_file(work)
    is_paid = any(class_of(settings_of_item(item, job_settings).connects_to).paid for item in items)
    if is_paid and note.exists():
        raise StoppedError(note.read_text(encoding="utf-8", errors="replace"))
    try:
        yield
    except ToldToStopError:
        raise
    except StoppedError as error:
        if is_paid:
            write_whole(note, error.in_words().encode())
        raise


def generate_again(item: Item, job_settings: JobSettings, store: Store, work: Path) -> Item:
    """Generate one image by a call, without the team store and without a batch.

    Args:
        item: The item, with a unique key.
        job_settings: As for `generate_for_job`.
        store: The store that receives the image.
        work: Folder of the rates that jobs share.

    Returns:
        The item with its raw image or its failure.

    Raises:
        StoppedError: If no call can succeed until the user does something.
    """
    with gpu_of(settings_of_item(item, job_settings), work) as watch:
        means = JobMeans(job_settings, store, "reproduce", 1, work, watch=watch)
        (made,) = _Job(means).make([item], in_batches=False)
    return made


def _stored(store: Store, items: Sequence[Item]) -> list[Item] | None:
    """Return the items with their images, or None if the store lacks one."""
    stored = {item.key: store.raw.find(item.key) for item in items}
    return [replace(item, raw=stored[item.key]) for item in items] if all(stored.values()) else None


@dataclass(frozen=True, slots=True)
class _Job:
    """What one job does, in its order."""

    means: JobMeans

    def make(self, items: Sequence[Item], *, in_batches: bool | None = None) -> list[Item]:
        """Generate the items, in batches if `in_batches` says so, or by default if their model is in batch mode."""
        if in_batches is None:
            in_batches = self.means.settings(items[0]).in_batches(can_wait=items[0].can_wait)
        by_server: dict[Server, list[Item]] = {}
        for item in items:
            by_server.setdefault(self.means.settings(item).connects_to, []).append(item)
        with self.means.servers:
            providers = {server: self.means.start(server, own) for server, own in by_server.items()}
            return asyncio.run(self._with_providers(providers, items, by_server, in_batches=in_batches))

    async def _with_providers(
        self,
        providers: Mapping[Server, Provider],
        items: Sequence[Item],
        by_server: Mapping[Server, Sequence[Item]],
        *,
        in_batches: bool,  # then all items are, and use one server
    ) -> list[Item]:
        wait_for_disk_in_threads()
        try:
            held: dict[str, ItemFailure] = {}
            for server, own in by_server.items():
                held |= await self._read_kept(server, providers[server], own)
            to_make = {server: [one for one in own if one.key not in held] for server, own in by_server.items()}
            made = await self._make_all(providers, {s: own for s, own in to_make.items() if own}, in_batches=in_batches)
            return [made.get(item.key) or replace(item, failure=held[item.key]) for item in items]
        finally:
            for provider in providers.values():
                await provider.close()

    async def _read_kept(self, server: Server, provider: Provider, items: Sequence[Item]) -> dict[str, ItemFailure]:
        """Read responses again that a killed job left, and return which images are to be waited for."""
        kept = kept_answers(self.means.store, {item.key for item in items})
        return (
            to_wait_for(await read_kept(kept, provider, self.means.store, self.means.model_of(server))) if kept else {}
        )

    async def _make_all(
        self,
        providers: Mapping[Server, Provider],
        by_server: Mapping[Server, Sequence[Item]],
        *,
        in_batches: bool,  # then all items use one server
    ) -> dict[str, Item]:
        items = [item for own in by_server.values() for item in own]
        for server, own in by_server.items():
            provider = providers[server]
            if isinstance(provider, BatchProvider) and (in_batches or any(Submissions(self.means.store.root).all())):
                made = await self._through_batches(server, provider, own, buys=in_batches)
                if in_batches:
                    return {item.key: item for item in made}
        if not self.means.n_calls(providers.values()):
            return {item.key: self._collected(item) for item in items}
        return await self._one_by_one(by_server, providers) if items else {}

    def _collected(self, item: Item) -> Item:
        stored = self.means.store.raw.find(item.key)
        lost = ItemFailure(FailureReason.FAILED, "its batch returned no image; the next round requests it again")
        return replace(item, raw=stored) if stored else replace(item, failure=lost)

    async def _through_batches(
        self, server: Server, provider: BatchProvider, items: Sequence[Item], *, buys: bool
    ) -> list[Item]:
        with closing(self.means.spend_tracker({server: items})) as spend_tracker:
            return await run_batches(self.means.batch_runner(server, provider, items, spend_tracker), items, buys=buys)

    async def _one_by_one(
        self, by_server: Mapping[Server, Sequence[Item]], providers: Mapping[Server, Provider]
    ) -> dict[str, Item]:
        means = self.means
        n_calls, grace_s = means.n_calls(providers.values()), means.job_settings.limits.grace_s
        with closing(means.journal(by_server)) as journal, closing(means.spend_tracker(by_server)) as spend_tracker:
            work = means.call_runners(by_server, providers, journal, spend_tracker)
            bought = await generate_batch(work, n_calls, grace_s, means.progress)
        return {item.key: item for item in bought}
