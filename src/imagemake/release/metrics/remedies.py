"""What follows rejections: how often each remedy leads to an accepted image, and what one costs by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from imagemake.config.attempts import Remedy
from imagemake.core.text import counted
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.success import interval_95

if TYPE_CHECKING:
    from imagemake.plan.state import State

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
        usd = sum(known) if len(known) == len(costs) else None
        return {
            "attempts": n,
            "accepted": accepted,
            "success_rate": round(accepted / n, 4),
            "success_rate_low": round(low, 4),
            "success_rate_high": round(high, 4),
            "cost_usd": None if usd is None else round(usd, 6),
            "usd_per_accepted": None if usd is None or not accepted else round(usd / accepted, 6),
            "usd_per_accepted_low": None if usd is None else round(usd / n / high, 6),
            "usd_per_accepted_high": None if usd is None or not low else round(usd / n / low, 6),
        }


def decided_by_people(states: Iterable[State]) -> list[bool]:
    """Return what people decided about images that checks rejected, where the policy is `person`: who was approved."""
    found = []
    for state in states:
        found += [False for past in state.past if past.by_person]
        if state.by_person:
            found.append(state.is_accepted)
    return found


def remedies(entries: Iterable[ManifestRow], rewrites_usd: float | None, people: Iterable[bool] = ()) -> dict[str, Any]:
    """Return what each remedy came to, by its name.

    Only attempts with a verdict count; the candidates of one are one attempt. The cost is that of the attempts, not of
    the rejected images before them. The interval of the cost per accepted image is that of the share that is accepted.

    Args:
        entries: One row per request.
        rewrites_usd: What the calls cost that wrote prompts; None if that is unknown.
        people: What people decided in place of another attempt; see `decided_by_people`.
    """
    sums: dict[str, _Sum] = {}
    for entry in entries:
        for made_by, accepted, usd in _attempts(entry):
            one = sums.setdefault(made_by, _Sum())
            one.accepted.append(accepted)
            one.usd += usd
    if decided := list(people):
        sums[str(Remedy.PERSON)] = _Sum(decided)
    # Nobody tells us what people cost.
    more_usd: dict[str, float | None] = {Remedy.REWRITE: rewrites_usd, Remedy.PERSON: None}
    return {name: one.as_dict(more_usd.get(name, 0.0)) for name, one in sorted(sums.items())}


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
        if name and number and accepted is not None:  # a model without quota made no attempt before the next one's
            yield name, accepted, costs.get(number, ())


def remedy_words(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each remedy, the cheapest per accepted image first, and which one wins; none if all is patched.

    Args:
        found: From `remedies`.
    """
    if found.keys() <= {Remedy.PATCH}:
        return
    names = sorted(found, key=lambda name: _or_infinity(found[name]["usd_per_accepted"]))
    for name in names:
        one = found[name]
        share = f"{one['accepted']:,} of {counted(one['attempts'], 'attempt')} accepted"
        if name == Remedy.PERSON:
            share = f"{one['accepted']:,} of {counted(one['attempts'], 'image')} approved"
        interval = f"{one['success_rate_low']:.0%} to {one['success_rate_high']:.0%}"
        usd = "" if one["usd_per_accepted"] is None else f", ${one['usd_per_accepted']:,.4f} per accepted image"
        yield f"  After rejections, {name}: {share} ({interval} with 95% confidence){usd}."
    paid = [name for name in names if name != Remedy.PERSON]
    if len(paid) > 1:
        yield f"  {_winner(paid, found)}"


def _winner(names: Sequence[str], found: Mapping[str, Any]) -> str:
    """Return which remedy costs least per accepted image, if its interval is below those of all others."""
    first, *others = names
    most = _or_infinity(found[first]["usd_per_accepted_high"])
    least = min(found[name]["usd_per_accepted_low"] or 0.0 for name in others)
    if most < least:
        return f"{first} wins: it costs least per accepted image, with 95% confidence."
    return "None of them wins yet: the 95% intervals of their cost per accepted image overlap."


def _or_infinity(usd: float | None) -> float:
    return inf if usd is None else usd
