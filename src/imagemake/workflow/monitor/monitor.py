"""Keeps the metrics of a run up to date, and shows them where the configuration says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread

from imagemake.config.fields import CONFIG
from imagemake.config.run import Monitor as MonitorSettings
from imagemake.core.problems import Problem, UserError
from imagemake.stages.generate.rate_limit import quotas_in
from imagemake.store.layout import pace_file
from imagemake.store.seen_gpus import seen_gpus
from imagemake.store.store import Store
from imagemake.workflow.monitor.journal_tail import JournalTail
from imagemake.workflow.monitor.run_metrics import RunMetrics
from imagemake.workflow.monitor.traces import Traces

PACKAGES = {"prometheus": "prometheus_client", "traces": "opentelemetry.exporter.otlp.proto.http"}


def check_monitor(settings: MonitorSettings) -> None:
    """Check before a run that it can be monitored.

    Raises:
        UserError: If a package is not installed, or a file cannot be written.
    """
    problems = []
    for name, module in PACKAGES.items():
        if getattr(settings, name) and not _is_installed(module):
            remedy = f"Run: pip install 'imagemake[{name}]'"
            problems.append(Problem(f"{CONFIG}, monitor.{name}", "it needs a package that is not installed.", remedy))
    file = settings.prometheus and settings.prometheus.file
    if file and not Path(file).parent.is_dir():
        what = f"the folder {Path(file).parent} does not exist."
        problems.append(Problem(f"{CONFIG}, monitor.prometheus.file", what, "Create it, or name another file."))
    if problems:
        raise UserError(problems)


class Monitor:
    """Watches one run in a thread of its own.

    Args:
        settings: What to show, and where.
        campaign: Name of the campaign.
        store: The store, whose journal tells the calls.
        work: The folder ``work/``.
        images: Returns the number of images by state.
    """

    def __init__(
        self,
        settings: MonitorSettings,
        campaign: str,
        store: Store,
        work: Path,
        images: Callable[[], Mapping[str, int]],
    ) -> None:
        self._settings = settings
        self._images = images
        self._tail = JournalTail(store.journal_folder.absolute())
        self._work = work.absolute()
        self._paces = pace_file(work.absolute(), "").parent
        self._metrics = RunMetrics(campaign)
        self._traces = Traces(campaign) if settings.traces else None
        file = settings.prometheus and settings.prometheus.file
        self._file = Path(file).absolute() if file else None
        self._stop_server: Callable[[], None] | None = None
        self._ended = Event()
        self._thread = Thread(target=self._watch, daemon=True, name="imagemake monitor")

    def begin(self) -> None:
        """Start to watch. A port that is taken is told, and the run goes on."""
        prometheus = self._settings.prometheus
        if prometheus is not None and prometheus.port is not None:
            self._serve(prometheus.host, prometheus.port)
        self._update()
        self._thread.start()

    def end(self) -> None:
        """Show the last state, and stop."""
        self._ended.set()
        self._thread.join(self._settings.every_s)
        self._update()
        if self._traces is not None:
            self._traces.end()
        if self._stop_server is not None:
            self._stop_server()

    def _serve(self, host: str, port: int) -> None:
        from prometheus_client import CollectorRegistry, start_http_server

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._metrics)
        try:
            server, thread = start_http_server(port, host, registry)
        except OSError as error:
            where = f"{CONFIG}, monitor.prometheus.port"
            print(f"  Warning: {where}: {host}:{port}: {error.strerror}. No metrics are served.", file=sys.stderr)
            return

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join(1)

        self._stop_server = stop

    def _watch(self) -> None:
        while not self._ended.wait(self._settings.every_s):
            self._update()

    def _update(self) -> None:
        calls = self._tail.ended()
        self._metrics.add(calls)
        self._metrics.in_flight = self._tail.in_flight()
        self._metrics.images = self._images()
        self._metrics.quotas = [quota for path in sorted(self._paces.glob("*.json")) for quota in quotas_in(path)]
        self._metrics.gpus = list(seen_gpus(self._work))
        if self._traces is not None:
            self._traces.add(calls)
        if self._file is not None:
            self._write(self._file)

    def _write(self, file: Path) -> None:
        from prometheus_client import CollectorRegistry, write_to_textfile

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._metrics)
        try:
            write_to_textfile(str(file), registry)
        except OSError as error:
            print(f"  Warning: {file}: {error.strerror}. No metrics are written.", file=sys.stderr)
            self._file = None


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it
        return False
