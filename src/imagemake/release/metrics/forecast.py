"""A forecast of the full run from the results of a smaller one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.pace import Pace
from imagemake.release.metrics.reasons import DECIDED
from imagemake.release.metrics.success import interval_95

MINUTE_S = 60
START_S = 5.0  # planning, starting Snakemake, and writing a release: 4 to 6 s for 50 to 250 images on 2 cores
LEAST_MADE = 10  # a run that made fewer images tells little about the time per image


@dataclass(frozen=True, slots=True)
class Load:
    """The work of a model.

    Attributes:
        calls: Expected calls, including candidates and further attempts.
        call_s: Duration of one call, in seconds.
        pace: The rate at which the model can generate images.
    """

    calls: float
    call_s: float
    pace: Pace


@dataclass(frozen=True, slots=True)
class RunTime:
    """How long the smaller run took.

    Attributes:
        seconds: From its plan to its release.
        made: Number of images that it generated, by model label.
    """

    seconds: float
    made: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected full run. Unknown values are None.

    Attributes:
        requests: Requests of the whole campaign.
        to_make: Requests that have no image yet.
        cost_usd: Cost of these, including the attempts that they need.
        seconds: Duration of these.
        accepted: Images that will be accepted, of all requests.
        accepted_low: Low end of the 95% interval.
        accepted_high: High end of the 95% interval.
    """

    requests: int
    to_make: int
    cost_usd: float | None
    seconds: float | None
    accepted: int
    accepted_low: int
    accepted_high: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def forecast(
    entries: Sequence[ManifestRow],
    requests: int,
    to_make: Counter[str],
    paces: Mapping[str, Pace],
    run: RunTime | None = None,
    *,
    asked_usd: float | None = 0.0,
) -> Forecast | None:
    """Forecast the full run.

    Args:
        entries: Rows of the smaller run, taken as representative.
        requests: Number of requests of the whole campaign.
        to_make: Number of requests without an image, by model label.
        paces: By model label. The duration is unknown if a model has none.
        run: How long the smaller run took; what it took beside the calls is expected again, in proportion. Without it,
            or after a run that generated nearly nothing, the duration is that of the calls.
        asked_usd: What calls to judge and rewrite cost in the smaller run; None if that is unknown.

    Returns:
        The forecast; None if nothing is decided yet.
    """
    decided = [entry for entry in entries if entry.verdict in DECIDED]
    if not decided:
        return None
    accepted = sum(entry.verdict == "accepted" for entry in decided)
    low, high = interval_95(accepted, len(decided))
    by_model: dict[str, list[ManifestRow]] = {}
    for entry in decided:
        by_model.setdefault(entry.model_label or entry.model, []).append(entry)
    costs = [_cost_usd(by_model.get(label, []), n) for label, n in to_make.items()]
    costs.append(None if asked_usd is None else asked_usd * to_make.total() / len(entries))
    calls_s = _calls_s(by_model, to_make, paces)
    return Forecast(
        requests,
        to_make.total(),
        None if None in costs else round(sum(cost for cost in costs if cost is not None), 6),
        None if calls_s is None else round(calls_s + _rest_s(by_model, to_make.total(), paces, run), 1),
        round(requests * accepted / len(decided)),
        round(requests * low),
        round(requests * high),
    )


def _calls_s(
    by_model: Mapping[str, Sequence[ManifestRow]], counts: Mapping[str, int], paces: Mapping[str, Pace]
) -> float | None:
    loads = [_load(by_model.get(label, []), n, paces.get(label)) for label, n in counts.items()]
    return None if None in loads else _seconds([load for load in loads if load is not None])


def _rest_s(
    by_model: Mapping[str, Sequence[ManifestRow]], n: int, paces: Mapping[str, Pace], run: RunTime | None
) -> float:
    """Return the time for starting jobs, validating, postprocessing, and releasing some images, beside their calls."""
    made = sum(run.made.values()) if run else 0
    calls_s = _calls_s(by_model, run.made, paces) if run else None
    if run is None or calls_s is None or made < LEAST_MADE or not n:
        return 0.0
    return START_S + max(0.0, run.seconds - START_S - calls_s) * n / made


def _cost_usd(entries: Sequence[ManifestRow], n: int) -> float | None:
    costs = [entry.spent_usd for entry in entries if not entry.shared]  # what the team paid does not predict the cost
    known = [cost for cost in costs if cost is not None]
    return n * sum(known) / len(known) if known and len(known) == len(costs) else None


def _load(entries: Sequence[ManifestRow], n: int, pace: Pace | None) -> Load | None:
    # Candidates and earlier attempts are calls too.
    timed = [(s, 1 + len(entry.history)) for entry in entries if (s := _call_s(entry, pace)) is not None]
    if not timed or pace is None:
        return None
    calls = sum(calls for _, calls in timed) / len(timed)
    return Load(n * calls, sum(seconds for seconds, _ in timed) / len(timed), pace)


def _call_s(entry: ManifestRow, pace: Pace | None) -> float | None:
    """Return the duration of a call; on a GPU of a job, what its image took of it, since jobs make several at once."""
    is_local = pace is not None and pace.pool == "gpu"
    return entry.gpu_seconds if is_local and entry.gpu_seconds is not None else entry.seconds


def _seconds(loads: Sequence[Load]) -> float:
    """Return how long models take side by side: as long as the busiest pool or lane that they share."""
    shared: dict[tuple[str, Hashable], float] = {}
    for load in loads:
        pool, lane = ("pool", load.pace.pool), ("lane", load.pace.lane)
        shared[pool] = shared.get(pool, 0.0) + load.calls * load.call_s / load.pace.at_once
        if load.pace.images_per_min:
            shared[lane] = shared.get(lane, 0.0) + MINUTE_S * load.calls / load.pace.images_per_min
    return max(shared.values(), default=0.0)
