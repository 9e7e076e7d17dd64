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

MINUTE_S, HOUR_S = 60, 3600


def duration_words(seconds: float) -> str:
    """Return a duration in words: ``42 s``, ``12 minutes``, ``3 hours``."""
    if seconds >= 2 * HOUR_S:
        return f"{seconds / HOUR_S:,.0f} hours"
    return f"{seconds / MINUTE_S:.0f} minutes" if seconds >= 2 * MINUTE_S else f"{seconds:.0f} s"


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
    entries: Sequence[ManifestRow], requests: int, to_make: Counter[str], paces: Mapping[str, Pace]
) -> Forecast | None:
    """Forecast the full run.

    Args:
        entries: Rows of the smaller run, taken as representative.
        requests: Number of requests of the whole campaign.
        to_make: Number of requests without an image, by model label.
        paces: By model label. The duration is unknown if a model has none.

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
    loads = [_load(by_model.get(label, []), n, paces.get(label)) for label, n in to_make.items()]
    return Forecast(
        requests,
        to_make.total(),
        None if None in costs else round(sum(cost for cost in costs if cost is not None), 6),
        None if None in loads else round(_seconds([load for load in loads if load is not None]), 1),
        round(requests * accepted / len(decided)),
        round(requests * low),
        round(requests * high),
    )


def _cost_usd(entries: Sequence[ManifestRow], n: int) -> float | None:
    costs = [entry.spent_usd for entry in entries if not entry.shared]  # what the team paid does not predict the cost
    known = [cost for cost in costs if cost is not None]
    return n * sum(known) / len(known) if known and len(known) == len(costs) else None


def _load(entries: Sequence[ManifestRow], n: int, pace: Pace | None) -> Load | None:
    # Candidates and earlier attempts are calls too.
    timed = [(entry.seconds, 1 + len(entry.history)) for entry in entries if entry.seconds is not None]
    if not timed or pace is None:
        return None
    calls = sum(calls for _, calls in timed) / len(timed)
    return Load(n * calls, sum(seconds for seconds, _ in timed) / len(timed), pace)


def _seconds(loads: Sequence[Load]) -> float:
    """Return how long models take side by side: as long as the busiest pool or lane that they share."""
    shared: dict[tuple[str, Hashable], float] = {}
    for load in loads:
        pool, lane = ("pool", load.pace.pool), ("lane", load.pace.lane)
        shared[pool] = shared.get(pool, 0.0) + load.calls * load.call_s / load.pace.at_once
        if load.pace.images_per_min:
            shared[lane] = shared.get(lane, 0.0) + MINUTE_S * load.calls / load.pace.images_per_min
    return max(shared.values(), default=0.0)
