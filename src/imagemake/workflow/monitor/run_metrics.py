"""The metrics of a run, as Prometheus reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from imagemake.core.gpus import Reading
from imagemake.stages.generate.rate_limit import Quota
from imagemake.store.journal import Call
from imagemake.store.ledger import cost_of, model_of
from imagemake.store.seen_gpus import SeenGpu

if TYPE_CHECKING:
    from prometheus_client.core import Metric

SECONDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)  # upper bounds of the latency histogram

J_PER_WH = 3600
GPU_GAUGES: tuple[tuple[str, str, Callable[[Reading], float | None]], ...] = (
    ("utilization", "Share of the last moment in which something ran on it.", lambda now: now.utilization),
    ("memory_used_bytes", "Memory in use.", lambda now: now.used_bytes),
    ("memory_bytes", "Memory.", lambda now: now.total_bytes),
    ("temperature_celsius", "Temperature.", lambda now: now.temperature_c),
    ("power_watts", "Power.", lambda now: now.power_w),
    ("throttled", "1 if heat or a power brake slows it down.", lambda now: float(now.is_throttled)),
)


@dataclass(slots=True)
class ModelMetrics:
    """What the calls of one model add up to.

    Attributes:
        outcomes: Number of calls by how they ended.
        usd: What they cost, as far as is known.
        unknown_cost: Calls whose cost is not known.
        seconds: Sum of their latencies.
        buckets: Number of latencies by the place of their upper bound in `SECONDS`, and beyond the last one.
        gpu_seconds: How long images kept a GPU busy, as far as that was measured.
        gpu_wh: What it used meanwhile, in watt-hours.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    usd: float = 0.0
    unknown_cost: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    gpu_seconds: float = 0.0
    gpu_wh: float = 0.0

    def add(self, call: Call) -> None:
        """Count a call that ended."""
        self.outcomes[call.outcome.value] += 1
        cost = cost_of(call)
        if cost is None:
            self.unknown_cost += 1
        else:
            self.usd += float(cost)
        seconds = (call.closed or {}).get("seconds")
        if seconds is not None:
            self.seconds += seconds
            self.buckets[bisect_left(SECONDS, seconds)] += 1
        gpu = (call.closed or {}).get("gpu") or {}
        self.gpu_seconds += gpu.get("seconds", 0.0)
        self.gpu_wh += gpu.get("energy_wh", 0.0)


@dataclass(slots=True, eq=False)  # a registry keeps it as a key
class RunMetrics:
    """The state of a run. A collector of prometheus_client: `collect` gives it in that package's form.

    Attributes:
        campaign: Name of the campaign, the label of all metrics.
        models: Metrics by model.
        in_flight: Calls without an answer, by model.
        images: Images of the run by state: wanted, done, review, failed.
        quotas: What the servers said last of their limits.
        gpus: What running jobs see of their cards.
    """

    campaign: str
    models: dict[str, ModelMetrics] = field(default_factory=dict)
    in_flight: Mapping[str, int] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    quotas: Sequence[Quota] = ()
    gpus: Sequence[SeenGpu] = ()

    def add(self, calls: Iterable[Call]) -> None:
        """Count calls that ended."""
        for call in calls:
            self.models.setdefault(model_of(call), ModelMetrics()).add(call)

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its values."""
        yield from self._of_calls()
        yield from self._of_images()
        yield from self._of_quotas()
        yield from self._of_gpus()

    def _of_calls(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        labels = ("campaign", "model")
        calls = CounterMetricFamily("imagemake_calls", "Calls that ended, by outcome.", labels=(*labels, "outcome"))
        usd = CounterMetricFamily("imagemake_spend_usd", "What calls cost, as far as is known.", labels=labels)
        unknown = CounterMetricFamily("imagemake_unknown_cost_calls", "Calls whose cost is unknown.", labels=labels)
        seconds = HistogramMetricFamily("imagemake_call_seconds", "Time from call to answer.", labels=labels)
        flying = GaugeMetricFamily("imagemake_calls_in_flight", "Calls without an answer so far.", labels=labels)
        bounds = [*map(str, SECONDS), "+Inf"]
        for name, model in sorted(self.models.items()):
            for outcome, n in sorted(model.outcomes.items()):
                calls.add_metric((self.campaign, name, outcome), n)
            usd.add_metric((self.campaign, name), model.usd)
            unknown.add_metric((self.campaign, name), model.unknown_cost)
            buckets = list(zip(bounds, map(float, accumulate(model.buckets)), strict=True))
            seconds.add_metric((self.campaign, name), buckets, model.seconds)
        for name in sorted({*self.models, *self.in_flight}):
            flying.add_metric((self.campaign, name), self.in_flight.get(name, 0))
        yield from (calls, usd, unknown, seconds, flying)

    def _of_images(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        images = GaugeMetricFamily("imagemake_images", "Images of the run, by state.", labels=("campaign", "state"))
        for state, n in self.images.items():
            images.add_metric((self.campaign, state), n)
        yield images
        judged = sum(self.images.get(state, 0) for state in ("done", "review", "failed"))
        share = GaugeMetricFamily("imagemake_acceptance", "Done, of all that are judged.", labels=("campaign",))
        if judged:
            share.add_metric((self.campaign,), self.images.get("done", 0) / judged)
        yield share

    def _of_quotas(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        labels = ("campaign", "model", "limit")
        left = GaugeMetricFamily("imagemake_quota_remaining", "Units that the server still allowed.", labels=labels)
        most = GaugeMetricFamily("imagemake_quota_limit", "Units that the server allows at once.", labels=labels)
        reset = GaugeMetricFamily("imagemake_quota_reset_timestamp_seconds", "When all are back.", labels=labels)
        for quota in self.quotas:
            of = (self.campaign, quota.model, quota.limit)
            left.add_metric(of, quota.remaining)
            most.add_metric(of, quota.most)
            reset.add_metric(of, quota.reset_at)
        yield from (left, most, reset)

    def _of_gpus(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        measured = {name: model for name, model in sorted(self.models.items()) if model.gpu_seconds}
        of_model = ("campaign", "model")
        seconds = CounterMetricFamily("imagemake_gpu_seconds", "Time in which images kept a GPU busy.", labels=of_model)
        joules = CounterMetricFamily("imagemake_gpu_energy_joules", "Energy of these seconds.", labels=of_model)
        for name, model in measured.items():
            seconds.add_metric((self.campaign, name), model.gpu_seconds)
            joules.add_metric((self.campaign, name), model.gpu_wh * J_PER_WH)
        if measured:
            yield from (seconds, joules)
        of_card = ("campaign", "gpu", "uuid")
        for name, what, value in GPU_GAUGES:
            gauge = GaugeMetricFamily(f"imagemake_gpu_{name}", what, labels=of_card)
            for gpu in self.gpus:
                if (known := value(gpu.reading)) is not None:
                    gauge.add_metric((self.campaign, gpu.name, gpu.uuid), known)
            if gauge.samples:
                yield gauge
