"""What follows rejections: how often each remedy leads to an accepted image, and what one costs by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagemake.core.text import counted
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.success import interval_95

PATCH, REWRITE = "patch", "rewrite"
_DECIDED = {"accepted": True, "rejected": False}


@dataclass(slots=True)
class _Sum:
    accepted: list[bool] = field(default_factory=list)
    usd: list[float | None] = field(default_factory=list)

    def as_dict(self, more_usd: float | None) -> dict[str, Any]:
        n, accepted = len(self.accepted), sum(self.accepted)
        low, high = interval_95(accepted, n)
        costs = [*self.usd, more_usd]
        known = [cost for cost in costs if cost is not None]
        is_known = len(known) == len(costs)
        return {
            "attempts": n,
            "accepted": accepted,
            "success_rate": round(accepted / n, 4),
            "success_rate_low": round(low, 4),
            "success_rate_high": round(high, 4),
            "cost_usd": round(sum(known), 6) if is_known else None,
            "usd_per_accepted": round(sum(known) / accepted, 6) if is_known and accepted else None,
        }


def remedies(entries: Iterable[ManifestRow], rewrites_usd: float | None) -> dict[str, Any]:
    """Return what each remedy came to, by its name.

    Only attempts with a verdict count; the candidates of one are one attempt. The cost is that of the attempts, not of
    the rejected images before them.

    Args:
        entries: One row per request.
        rewrites_usd: What the calls cost that wrote prompts; None if that is unknown.
    """
    sums: dict[str, _Sum] = {}
    for entry in entries:
        for made_by, accepted, usd in _attempts(entry):
            one = sums.setdefault(made_by, _Sum())
            one.accepted.append(accepted)
            one.usd += usd
    return {name: one.as_dict(rewrites_usd if name == REWRITE else 0.0) for name, one in sorted(sums.items())}


def _attempts(entry: ManifestRow) -> Iterator[tuple[str, bool, Sequence[float | None]]]:
    """Yield each attempt that followed a rejection: what led to it, whether it was accepted, and its costs."""
    costs: dict[int, list[float | None]] = {}
    made_by: dict[int, str] = {}
    for past in entry.history:
        costs.setdefault(past["attempt"], []).append(past.get("cost_usd"))
        made_by[past["attempt"]] = past.get("made_by", "")
    made_by[entry.attempt] = entry.made_by
    if entry.made:
        costs.setdefault(entry.attempt, []).append(entry.cost_usd)
    for number, name in made_by.items():
        accepted = _DECIDED.get(entry.verdict) if number == entry.attempt else False
        if name and accepted is not None:
            yield name, accepted, costs.get(number, ())


def remedy_words(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each remedy, the cheapest per accepted image first; none if there is only one kind."""
    if found.keys() <= {PATCH}:
        return

    def price(name: str) -> tuple[bool, float]:
        usd = found[name]["usd_per_accepted"]
        return usd is None, usd or 0.0

    for name in sorted(found, key=price):
        one = found[name]
        share = f"{one['accepted']:,} of {counted(one['attempts'], 'attempt')} accepted"
        interval = f"{one['success_rate_low']:.0%} to {one['success_rate_high']:.0%}"
        usd = "" if one["usd_per_accepted"] is None else f", ${one['usd_per_accepted']:,.4f} per accepted image"
        yield f"  After rejections, {name}: {share} ({interval} with 95% confidence){usd}."
