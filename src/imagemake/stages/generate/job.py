"""Generate the images of a batch of requests: the only stage that spends money."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagemake.config.job_settings import JobSettings
from imagemake.config.model import ModelSettings, settings_of
from imagemake.config.models import Model, is_by_gpu_hour, load_models
from imagemake.config.run import Budget
from imagemake.config.server import Server
from imagemake.core.files import write_whole
from imagemake.core.fingerprint import fingerprint
from imagemake.plugins.providers import BatchProvider, Provider, ProviderError, provider_class
from imagemake.plugins.providers.local import LocalProvider
from imagemake.stages.generate.batches.submit import BatchRunner
from imagemake.stages.generate.calls import CallRunner, StoppedError, ToldToStopError
from imagemake.stages.generate.gate import Gate, Stopping
from imagemake.stages.generate.gpu import gpu_of
from imagemake.stages.generate.gpu_meter import GpuMeter
from imagemake.stages.generate.gpu_watch import GpuWatch
from imagemake.stages.generate.kept_answers import kept_answers, read_kept, to_wait_for
from imagemake.stages.generate.one_call import Caller
from imagemake.stages.generate.rate_limit import SharedPace, pace_of_job
from imagemake.stages.generate.servers.lease import ServerGoneError
from imagemake.stages.generate.servers.of_job import JobServers
from imagemake.stages.generate.side_by_side import Work
from imagemake.stages.generate.stoppable import generate_batch, run_batches
from imagemake.stages.generate.used_up import UsedUp
from imagemake.store.fallback import take_back
from imagemake.store.items import FailureReason, Item, ItemFailure
from imagemake.store.journal import Journal
from imagemake.store.layout import pace_file, stop_file
from imagemake.store.progress import JobProgress, no_progress
from imagemake.store.room import Room
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions
from imagemake.store.team.team_cache import TeamCache, exchange_of
from imagemake.store.whole.shared_work import spend_tracker_of

# Threads that wait for the disk; what waits at the same time shares one write of the file system's own journal.
DISK_THREADS = 32


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
                settings = _settings(items[0], job_settings)  # of all, where the job makes the images itself
                with (
                    _run_stops_together(items, job_settings, work),
                    gpu_of(settings, work, progress, alert) as watch,
                ):
                    servers = JobServers(progress or no_progress())
                    job_of = _Job(job_settings, content_store, job, calls, work, progress, team_cache, servers, watch)
                    made = job_of.make(items)
            if team_cache is not None:
                team_cache.give_marked({item.key for item in items})
            return made
    except KeyboardInterrupt:
        raise ToldToStopError("stopped; the next run shares the remaining images") from None


@contextmanager
def _run_stops_together(items: Sequence[Item], job_settings: JobSettings, work: Path) -> Iterator[None]:
    """Start no call if another job of this run was told that none can succeed, and tell the others in turn."""
    note = stop_file(work)
    is_paid = any(_class(settings_of(item.model or item.recipe.model, job_settings).connects_to).paid for item in items)
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
    with gpu_of(_settings(item, job_settings), work) as watch:
        (made,) = _Job(job_settings, store, "reproduce", 1, work, watch=watch).make([item], in_batches=False)
    return made


def _stored(store: Store, items: Sequence[Item]) -> list[Item] | None:
    """Return the items with their images, or None if the store lacks one."""
    stored = {item.key: store.raw.find(item.key) for item in items}
    return [replace(item, raw=stored[item.key]) for item in items] if all(stored.values()) else None


@dataclass(frozen=True, slots=True)
class _Job:
    """The state that all images of one job share."""

    job_settings: JobSettings
    store: Store
    name: str
    calls: int
    work: Path
    progress: JobProgress | None = None
    team_cache: TeamCache | None = None
    servers: JobServers = field(default_factory=JobServers)
    watch: GpuWatch | None = None

    def make(self, items: Sequence[Item], *, in_batches: bool | None = None) -> list[Item]:
        """Generate the items, in batches if `in_batches` says so, or by default if their model is in batch mode."""
        if in_batches is None:
            in_batches = self._settings(items[0]).in_batches(can_wait=items[0].can_wait)
        by_server: dict[Server, list[Item]] = {}
        for item in items:
            by_server.setdefault(self._settings(item).connects_to, []).append(item)
        with self.servers:
            providers = {server: self._start(server, own) for server, own in by_server.items()}
            return asyncio.run(self._with_providers(providers, items, by_server, in_batches=in_batches))

    async def _with_providers(
        self,
        providers: Mapping[Server, Provider],
        items: Sequence[Item],
        by_server: Mapping[Server, Sequence[Item]],
        *,
        in_batches: bool,  # then all items are, and use one server
    ) -> list[Item]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DISK_THREADS))
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
        kept = kept_answers(self.store, {item.key for item in items})
        return to_wait_for(await read_kept(kept, provider, self.store, self._model_of(server))) if kept else {}

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
            if isinstance(provider, BatchProvider) and (in_batches or any(Submissions(self.store.root).all())):
                made = await self._through_batches(server, provider, own, buys=in_batches)
                if in_batches:
                    return {item.key: item for item in made}
        if not self._n_calls(providers.values()):
            return {item.key: self._collected(item) for item in items}
        return await self._one_by_one(by_server, providers) if items else {}

    def _collected(self, item: Item) -> Item:
        stored = self.store.raw.find(item.key)
        lost = ItemFailure(FailureReason.FAILED, "its batch returned no image; the next round requests it again")
        return replace(item, raw=stored) if stored else replace(item, failure=lost)

    async def _through_batches(
        self, server: Server, provider: BatchProvider, items: Sequence[Item], *, buys: bool
    ) -> list[Item]:
        job_settings, spend_tracker = self.job_settings, self._spend_tracker(paid=_class(server).paid)
        name, model_of = server.provider, self._model_of(server)
        runner = BatchRunner(
            provider,
            name,
            self.store,
            job_settings.limits,
            spend_tracker,
            job_settings.campaign,
            self.name,
            model_of,
            team_cache=self.team_cache,
            progress=self.progress or no_progress(),
            used_up=self._used_up(items),
        )
        return await run_batches(runner, items, buys=buys)

    async def _one_by_one(
        self, by_server: Mapping[Server, Sequence[Item]], providers: Mapping[Server, Provider]
    ) -> dict[str, Item]:
        paid = any(_class(server).paid for server in by_server)
        journal = Journal(self.store.journal_folder, self.name, durable=paid)
        try:
            costs = paid or any(self._is_by_gpu_hour(server, own) for server, own in by_server.items())
            spend_tracker = self._spend_tracker(paid=costs)
            work = self._work(by_server, providers, journal, spend_tracker)
            bought = await generate_batch(
                work, self._n_calls(providers.values()), self.job_settings.limits.grace_s, self.progress
            )
        finally:
            journal.close()
            spend_tracker.close()
        return {item.key: item for item in bought}

    def _work(
        self,
        by_server: Mapping[Server, Sequence[Item]],
        providers: Mapping[Server, Provider],
        journal: Journal,
        spend_tracker: SpendTracker,
    ) -> list[Work]:
        stopping, job_settings = Stopping(), self.job_settings
        room = Room((self.store.root, self.work), job_settings.limits.in_flight)
        found: list[Work] = []
        for server, of_server in by_server.items():
            by_model: dict[str, list[Item]] = {}
            is_local = isinstance(providers[server], LocalProvider)
            elsewhere = None if is_local or self.progress is None else self.progress.in_flight_elsewhere
            is_on = self.watch is not None or self._is_by_gpu_hour(server, of_server)
            meter = GpuMeter(is_on=is_on, watch=self.watch, elsewhere=elsewhere)
            for item in of_server:
                by_model.setdefault(item.recipe.model, []).append(item)
            for items in by_model.values():
                gate = Gate(self._n_calls(providers.values()), self._pace(self._settings(items[0])), stopping)
                provider, model_of = providers[server], self._model_of(server)
                caller = Caller(
                    provider,
                    self.store,
                    journal,
                    job_settings.limits,
                    gate,
                    spend_tracker,
                    job_settings.campaign,
                    model_of,
                    team_cache=self.team_cache,
                    room=room,
                    meter=meter,
                )
                runner = CallRunner(caller, self._used_up(items))
                self.servers.watch(server, runner)
                found.append((runner, items))
        return found

    def _is_by_gpu_hour(self, server: Server, of_server: Sequence[Item]) -> bool:
        """Return whether the time that images keep a GPU busy has a price."""
        return any(map(is_by_gpu_hour, map(self._model_of(server), {item.recipe.model for item in of_server})))

    def _used_up(self, of_model: Sequence[Item]) -> UsedUp | None:
        may_hand_over = any(item.hands_over for item in of_model)
        return UsedUp.of(self._settings(of_model[0]), self.work, self.name) if may_hand_over else None

    def _n_calls(self, providers: Iterable[Provider]) -> int:
        """Return the calls in flight: those that Snakemake gave, or as many as keep a model of this job busy."""
        try:
            return max((one.in_flight for one in providers if isinstance(one, LocalProvider)), default=self.calls)
        except ProviderError as error:  # such as a device that is not there
            raise StoppedError(str(error), error.remedy) from None

    def _settings(self, item: Item) -> ModelSettings:
        return _settings(item, self.job_settings)

    def _start(self, server: Server, items: Sequence[Item]) -> Provider:
        try:
            if any(self.store.raw.find(item.key) is None for item in items):
                server = self.servers.running(server)
            return server.start(self.job_settings.limits.timeout_s, load_models(self.job_settings.models))
        except ServerGoneError as error:
            raise StoppedError(str(error), error.remedy) from None
        except ProviderError as error:
            raise StoppedError.by(error, items[0].recipe.model, server.base_url, error.remedy) from None

    def _spend_tracker(self, *, paid: bool) -> SpendTracker:
        return spend_tracker_of(
            self.store.root, self.work, self.job_settings.budget_usd if paid else Budget(), self.calls
        )

    def _model_of(self, server: Server) -> Callable[[str], Model | None]:
        table = load_models(self.job_settings.models)
        return lambda name: server.model(name, table)

    def _pace(self, settings: ModelSettings) -> SharedPace:
        """Return the rates of a model: its own, or the rates that the other models of its server share."""
        limits, lane = self.job_settings.limits, [*settings.connects_to.lane]
        if settings.rates is not None:
            limits = limits.model_copy(update=settings.rates.model_dump())
            lane.append(settings.name)
        paid, path = _class(settings.connects_to).paid, pace_file(self.work, fingerprint(lane))
        return pace_of_job(path, limits, settings.name, paid=paid, calls=self.calls, most=limits.in_flight)


def _settings(item: Item, job_settings: JobSettings) -> ModelSettings:
    return settings_of(item.model or item.recipe.model, job_settings)


def _class(server: Server) -> type[Provider]:
    return provider_class(server.provider)
