"""What a job generates with: its journal, its budget, its providers, and the runner of each model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagemake.config.job_settings import JobSettings
from imagemake.config.model import ModelSettings
from imagemake.config.models import Model, is_by_gpu_hour, load_models
from imagemake.config.run import Budget
from imagemake.config.server import Server
from imagemake.config.several_models import settings_of
from imagemake.core.fingerprint import fingerprint
from imagemake.plugins.providers import BatchProvider, Provider, ProviderError, provider_class
from imagemake.plugins.providers.local import LocalProvider
from imagemake.stages.generate.batches.follow import BatchPoller
from imagemake.stages.generate.batches.submit import BatchRunner
from imagemake.stages.generate.calls import CallRunner, StoppedError
from imagemake.stages.generate.gate import Gate, Stopping
from imagemake.stages.generate.gpu_meter import GpuMeter
from imagemake.stages.generate.gpu_watch import GpuWatch
from imagemake.stages.generate.one_call import Caller
from imagemake.stages.generate.rate_limit import SharedPace, pace_of_job
from imagemake.stages.generate.servers.lease import ServerGoneError
from imagemake.stages.generate.servers.of_job import JobServers
from imagemake.stages.generate.side_by_side import Work
from imagemake.stages.generate.used_up import UsedUp
from imagemake.store.items import Item
from imagemake.store.journal import Journal
from imagemake.store.layout import pace_file
from imagemake.store.progress import JobProgress, no_progress
from imagemake.store.room import Room
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store
from imagemake.store.team.team_cache import TeamCache
from imagemake.store.whole.shared_work import spend_tracker_of


@dataclass(frozen=True, slots=True)
class JobMeans:
    """What all images of one job share.

    Attributes:
        job_settings: The campaign's sections that the job needs; see `imagemake.stages.generate.job`.
        store: The store that receives the images.
        name: Name for the journal file.
        calls: Concurrent calls.
        work: Folder of the rates that jobs share.
        progress: Takes the progress of the job; None if nobody reads it.
        team_cache: Takes and gives images of the team store; None without one.
        servers: The servers that the build starts.
        watch: Watches the GPU of the job; None if it holds none.
    """

    job_settings: JobSettings
    store: Store
    name: str
    calls: int
    work: Path
    progress: JobProgress | None = None
    team_cache: TeamCache | None = None
    servers: JobServers = field(default_factory=JobServers)
    watch: GpuWatch | None = None

    def journal(self, servers: Iterable[Server]) -> Journal:
        """Return the journal of calls to some servers."""
        return Journal(self.store.journal_folder, self.name, durable=_is_paid(servers))

    def spend_tracker(self, by_server: Mapping[Server, Sequence[Item]]) -> SpendTracker:
        """Return what keeps calls within the budget; free ones have none."""
        costs = _is_paid(by_server) or any(self._is_by_gpu_hour(server, own) for server, own in by_server.items())
        budget = self.job_settings.budget_usd if costs else Budget()
        return spend_tracker_of(self.store.root, self.work, budget, self.calls)

    def batch_runner(
        self, server: Server, provider: BatchProvider, items: Sequence[Item], spend_tracker: SpendTracker
    ) -> BatchRunner:
        """Return what makes items through batches."""
        poller = BatchPoller(
            provider,
            server.provider,
            self.store,
            self.job_settings.limits,
            self.name,
            self.model_of(server),
            self.progress or no_progress(),
        )
        return BatchRunner(poller, spend_tracker, self.job_settings.campaign, self.team_cache, self._used_up(items))

    def call_runners(
        self,
        by_server: Mapping[Server, Sequence[Item]],
        providers: Mapping[Server, Provider],
        journal: Journal,
        spend_tracker: SpendTracker,
    ) -> list[Work]:
        """Return what makes single calls, one runner per model, with its items."""
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
                gate = Gate(self.n_calls(providers.values()), self._pace(self.settings(items[0])), stopping)
                provider, model_of = providers[server], self.model_of(server)
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
        return any(map(is_by_gpu_hour, map(self.model_of(server), {item.recipe.model for item in of_server})))

    def _used_up(self, of_model: Sequence[Item]) -> UsedUp | None:
        may_hand_over = any(item.hands_over for item in of_model)
        return UsedUp.of(self.settings(of_model[0]), self.work, self.name) if may_hand_over else None

    def n_calls(self, providers: Iterable[Provider]) -> int:
        """Return the calls in flight: those that Snakemake gave, or as many as keep a model of this job busy.

        Raises:
            StoppedError: If a device is not there.
        """
        try:
            return max((one.in_flight for one in providers if isinstance(one, LocalProvider)), default=self.calls)
        except ProviderError as error:  # such as a device that is not there
            raise StoppedError(str(error), error.remedy) from None

    def settings(self, item: Item) -> ModelSettings:
        """Return the settings of an item's model."""
        return settings_of_item(item, self.job_settings)

    def start(self, server: Server, items: Sequence[Item]) -> Provider:
        """Return the provider of a server, which runs if an image is missing.

        Raises:
            StoppedError: If the server or the provider cannot be started.
        """
        try:
            if any(self.store.raw.find(item.key) is None for item in items):
                server = self.servers.running(server)
            return server.start(self.job_settings.limits.timeout_s, load_models(self.job_settings.models))
        except ServerGoneError as error:
            raise StoppedError(str(error), error.remedy) from None
        except ProviderError as error:
            raise StoppedError.by(error, items[0].recipe.model, server.base_url, error.remedy) from None

    def model_of(self, server: Server) -> Callable[[str], Model | None]:
        """Return what finds the model table's entry for a model name of a server."""
        table = load_models(self.job_settings.models)
        return lambda name: server.model(name, table)

    def _pace(self, settings: ModelSettings) -> SharedPace:
        """Return the rates of a model: its own, or the rates that the other models of its server share."""
        limits, lane = self.job_settings.limits, [*settings.connects_to.lane]
        if settings.rates is not None:
            limits = limits.model_copy(update=settings.rates.model_dump())
            lane.append(settings.name)
        paid, path = class_of(settings.connects_to).paid, pace_file(self.work, fingerprint(lane))
        return pace_of_job(path, limits, settings.name, paid=paid, calls=self.calls, most=limits.in_flight)


def settings_of_item(item: Item, job_settings: JobSettings) -> ModelSettings:
    """Return the settings of an item's model."""
    return settings_of(item.model or item.recipe.model, job_settings)


def class_of(server: Server) -> type[Provider]:
    """Return the class of a server's provider."""
    return provider_class(server.provider)


def _is_paid(servers: Iterable[Server]) -> bool:
    return any(class_of(server).paid for server in servers)
