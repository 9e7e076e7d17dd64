"""Sums over the rows of a release, which add up to those of more rows: whole numbers, so that no order matters.

Amounts are in billionths of their unit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from imagemake.release.manifest.row import ManifestRow, Verdict
from imagemake.release.metrics.failing import Failing
from imagemake.release.metrics.reasons import DECIDED, failures_of, reason_code
from imagemake.release.metrics.success import interval_95

_BILLION = 1_000_000_000
_IN_ATTEMPTS, _IN_IMAGES = "failed attempts: ", "failed images: "  # begin the names of counts by reason code


def billionths(value: float) -> int:
    """Return an amount as a whole number of billionths."""
    return round(value * _BILLION)


class _Attempt(NamedTuple):
    image: bool
    tries: int
    cost_usd: float | None
    seconds: float | None
    unknown_calls: int
    unknown_worst_usd: float | None
    failures: Sequence[str]
    shared: bool = False
    gpu_seconds: float | None = None
    energy_wh: float | None = None


@dataclass(slots=True)
class Sums:
    """Sums over rows.

    Attributes:
        by_model: Counts and sums by name, for each model label.
        closed: For each model label, the first and last time that the call of an image ended.
        failing: What is counted by the values of variables.
    """

    by_model: dict[str, Counter[str]] = field(default_factory=dict)
    closed: dict[str, tuple[str, str]] = field(default_factory=dict)
    failing: Failing = field(default_factory=Failing)

    @classmethod
    def of(cls, rows: Iterable[ManifestRow]) -> Sums:
        """Add up rows."""
        sums = cls()
        for row in rows:
            label = label_of(row)
            _count(row, sums.by_model.setdefault(label, Counter()))
            if row.raw_digest is not None:
                first, last = sums.closed.get(label, (row.closed_at, row.closed_at))
                sums.closed[label] = min(first, row.closed_at), max(last, row.closed_at)
            sums.failing.count(row)
        return sums

    def add(self, other: Sums) -> None:
        """Add the sums of other rows."""
        for label, counts in other.by_model.items():
            self.by_model.setdefault(label, Counter()).update(counts)
        self.failing.add(other.failing)

    def as_data(self) -> dict[str, Any]:
        """Return plain data."""
        return {"by_model": self.by_model, "closed": self.closed, "failing": self.failing.as_data()}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Sums:
        """Return the sums of plain data."""
        by_model = {label: Counter(counts) for label, counts in data["by_model"].items()}
        closed = {label: (first, last) for label, (first, last) in data["closed"].items()}
        return cls(by_model, closed, Failing.from_data(data["failing"]))

    def cached(self, made_at: str, rows: Sequence[ManifestRow] | None = None) -> Counter[str] | None:
        """Count the images that existed at a time, by model label; None if that takes the rows."""
        if rows is not None:
            return Counter(label_of(row) for row in rows if row.raw_digest is not None and row.closed_at < made_at)
        if any(first < made_at <= last for first, last in self.closed.values()):
            return None
        return Counter(
            {label: self.by_model[label]["images"] for label, (_, last) in self.closed.items() if last < made_at}
        )


def label_of(row: ManifestRow) -> str:
    """Return the campaign's name for a row's model."""
    return row.model_label or row.model


def is_failing(row: ManifestRow) -> bool:
    """Return whether the reasons of a row are failures of its shown attempt."""
    return row.verdict not in ("accepted", "pending")


def numbers_of(sums: Counter[str], cached: int) -> dict[str, Any]:
    """Return the metrics of some rows, in a fixed order.

    Args:
        sums: Of the rows, for all models together.
        cached: How many of their images existed before.
    """
    accepted, decided = sums["accepted"], sum(sums[verdict] for verdict in DECIDED)
    low, high = interval_95(accepted, decided) if decided else (0.0, 1.0)
    has_cost = sums["attempts known"] or not sums["attempts"]
    has_worst = sums["worst known"] == sums["attempts unanswered"]
    return {
        "requests": sums["requests"],
        **{verdict: sums[verdict] for verdict in get_args(Verdict)},
        "released_share": _ratio(accepted, sums["requests"]),
        "success_rate": _ratio(accepted, decided),
        "success_rate_low": round(low, 4) if decided else None,
        "success_rate_high": round(high, 4) if decided else None,
        "first_attempt_success_rate": _ratio(sums["at once"], decided),
        "attempts_mean": _ratio(sums["attempts of rows"], sums["rows with attempts"], 3),
        "cached_share": _ratio(cached, sums["images"]),
        "calls": sums["calls"],
        "mean_seconds_per_image": _mean(sums, "seconds", 3),
        "mean_gpu_seconds_per_image": _mean(sums, "gpu_seconds", 3),
        "kwh_per_1000_images": _mean(sums, "energy_wh", 4),
        "cost_usd_images": round(sums["usd"] / _BILLION, 6) if has_cost else None,
        "mean_cost_usd_per_image": _mean(sums, "usd of bought", 6),
        "shared": sums["shared"],
        "cost_unknown": sums["attempts"] - sums["attempts known"],
        "unknown_calls": sums["unknown calls"],
        "unknown_worst_usd": round(sums["worst usd"] / _BILLION, 6) if has_worst else None,
        "failed_attempts_by_reason": _by_code(sums, _IN_ATTEMPTS),
    }


def failures_by_reason(sums: Counter[str]) -> dict[str, int]:
    """Return how many rows failed by each reason code."""
    return _by_code(sums, _IN_IMAGES)


def _count(row: ManifestRow, sums: Counter[str]) -> None:
    """Count a row. Names with zeros are not kept."""
    sums["requests"] += 1
    sums[row.verdict] += 1
    if row.verdict == "accepted" and row.attempts <= 1:
        sums["at once"] += 1
    if row.attempts:
        sums["rows with attempts"] += 1
        sums["attempts of rows"] += row.attempts
    if row.raw_digest is not None:
        sums["images"] += 1
    if is_failing(row):
        sums.update(_codes(_IN_IMAGES, row.reasons))
    for attempt in _attempts(row):
        _count_attempt(attempt, sums)


def _count_attempt(attempt: _Attempt, sums: Counter[str]) -> None:
    sums["attempts"] += 1
    sums["calls"] += attempt.tries
    if attempt.cost_usd is not None:
        sums["attempts known"] += 1
        sums["usd"] += billionths(attempt.cost_usd)
    if attempt.unknown_calls:
        sums["attempts unanswered"] += 1
        sums["unknown calls"] += attempt.unknown_calls
        if attempt.unknown_worst_usd is not None:
            sums["worst known"] += 1
            sums["worst usd"] += billionths(attempt.unknown_worst_usd)
    if attempt.failures:
        sums.update(_codes(_IN_ATTEMPTS, attempt.failures))
    if not attempt.image:
        return
    if attempt.shared:  # it has no cost
        sums["shared"] += 1
    elif attempt.cost_usd is not None:
        _add(sums, "usd of bought", attempt.cost_usd)
    for name, value in (
        ("seconds", attempt.seconds),
        ("gpu_seconds", attempt.gpu_seconds),
        ("energy_wh", attempt.energy_wh),
    ):
        if value is not None:
            _add(sums, name, value)


def _add(sums: Counter[str], name: str, value: float) -> None:
    sums[f"{name}, number"] += 1
    sums[name] += billionths(value)


def _mean(sums: Counter[str], name: str, digits: int) -> float | None:
    n = sums[f"{name}, number"]
    return round(sums[name] / _BILLION / n, digits) if n else None


def _attempts(row: ManifestRow) -> Iterable[_Attempt]:
    for earlier in row.history:
        yield _Attempt(
            image=earlier["raw_digest"] is not None,
            tries=earlier.get("tries", 1),
            cost_usd=earlier.get("cost_usd"),
            seconds=earlier.get("seconds"),
            unknown_calls=earlier.get("unknown_calls", 0),
            unknown_worst_usd=earlier.get("unknown_worst_usd"),
            failures=failures_of(earlier),
            gpu_seconds=earlier.get("gpu_seconds"),
            energy_wh=earlier.get("energy_wh"),
        )
    if row.made:
        yield _Attempt(
            image=row.raw_digest is not None,
            tries=row.tries,
            cost_usd=row.cost_usd,
            seconds=row.seconds,
            unknown_calls=row.unknown_calls,
            unknown_worst_usd=row.unknown_worst_usd,
            failures=row.reasons if is_failing(row) else (),
            shared=row.shared,
            gpu_seconds=row.gpu_seconds,
            energy_wh=row.energy_wh,
        )


def _codes(kind: str, reasons: Sequence[str]) -> set[str]:
    return {f"{kind}{reason_code(reason)}" for reason in reasons}


def _by_code(sums: Counter[str], kind: str) -> dict[str, int]:
    return dict(sorted((name.removeprefix(kind), n) for name, n in sums.items() if name.startswith(kind)))


def _ratio(part: int, whole: int, digits: int = 4) -> float | None:
    return round(part / whole, digits) if whole else None


def total_of(by_model: Mapping[str, Counter[str]]) -> Counter[str]:
    """Return the sums for all models together."""
    total = Counter[str]()
    for one in by_model.values():
        total.update(one)
    return total
