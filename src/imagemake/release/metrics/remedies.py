"""What follows rejections: how often each remedy leads to an accepted image, and what one costs by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, TypeAlias

from imagemake.config.attempts import Remedy
from imagemake.config.verdict_codes import VerdictCode
from imagemake.core.text import counted
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.success import interval_95
from imagemake.release.metrics.sums import billionths

_DECIDED = {"accepted": True, "rejected": False}


# By name: attempts, accepted ones, billionths of USD, unknown costs, and attempts by the reason that they followed.
RemedySums: TypeAlias = dict[str, Counter[str]]
_AFTER = "after "  # begins the counts by reason


def remedies(rows: Iterable[ManifestRow], rewrites_usd: float | None) -> dict[str, Any]:
    """Return what each remedy came to in some rows; see `remedies_of`."""
    return remedies_of(remedy_sums(rows), rewrites_usd)


def remedy_sums(rows: Iterable[ManifestRow]) -> RemedySums:
    """Add up the attempts of rows by what led to them."""
    sums: RemedySums = {}
    for row in rows:
        for made_by, accepted, usd, reason in _attempts(row):
            known = [cost for cost in usd if cost is not None]
            one = sums.setdefault(made_by, Counter())
            one.update({"n": 1, "accepted": int(accepted), "usd": sum(map(billionths, known))})
            one["unknown"] += len(usd) - len(known)
            one[f"{_AFTER}{reason}"] += 1
        for approved in row.by_people:
            sums.setdefault(str(Remedy.PERSON), Counter()).update({"n": 1, "accepted": int(approved)})
    return sums


def remedies_of(sums: RemedySums, rewrites_usd: float | None) -> dict[str, Any]:
    """Return what each remedy came to, by its name.

    Only attempts with a verdict count; the candidates of one are one attempt. The cost is that of the attempts, not of
    the rejected images before them. The interval of the cost per accepted image is that of the share that is accepted.

    Args:
        sums: From `remedy_sums`.
        rewrites_usd: What the calls cost that wrote prompts; None if that is unknown.
    """
    # Nobody tells us what people cost.
    more_usd: dict[str, float | None] = {Remedy.REWRITE: rewrites_usd, Remedy.PERSON: None}
    return {name: _figures(one, more_usd.get(name, 0.0)) for name, one in sorted(sums.items())}


def _figures(sums: Counter[str], more_usd: float | None) -> dict[str, Any]:
    n, accepted = sums["n"], sums["accepted"]
    low, high = interval_95(accepted, n)
    usd = None if more_usd is None or sums["unknown"] else (sums["usd"] + billionths(more_usd)) / billionths(1)
    return {
        "attempts": n,
        "accepted": accepted,
        "reasons": {name.removeprefix(_AFTER): sums[name] for name in sorted(sums) if name.startswith(_AFTER)},
        "success_rate": round(accepted / n, 4),
        "success_rate_low": round(low, 4),
        "success_rate_high": round(high, 4),
        "cost_usd": None if usd is None else round(usd, 6),
        "usd_per_accepted": None if usd is None or not accepted else round(usd / accepted, 6),
        "usd_per_accepted_low": None if usd is None else round(usd / n / high, 6),
        "usd_per_accepted_high": None if usd is None or not low else round(usd / n / low, 6),
    }


def _attempts(entry: ManifestRow) -> Iterator[tuple[str, bool, Sequence[float | None], str]]:
    """Yield each attempt after a rejection: what led to it, whether it was accepted, its costs, and the reason."""
    reasons = _deciding_reasons(entry)
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
            yield name, accepted, costs.get(number, ()), reasons.get(number - 1, "")


def _deciding_reasons(entry: ManifestRow) -> dict[int, str]:
    """Return the code of each attempt's first reason, which decides what follows."""
    found: dict[int, str] = {}
    for past in entry.history:
        codes = (reason.partition(":")[0] for reason in past["reasons"])
        if code := next((code for code in codes if code != VerdictCode.NOT_BEST), ""):
            found.setdefault(past["attempt"], code)
    return found


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
    """Return which remedy costs least per accepted image, if its interval is below those of all others.

    Remedies are only compared if they followed the same reasons: some faults are easier to mend than others.
    """
    if len({frozenset(found[name]["reasons"]) for name in names}) > 1:
        followed = "; ".join(f"{name} {', '.join(found[name]['reasons'])}" for name in names)
        return f"No comparison: they followed different reasons ({followed})."
    first, *others = names
    most = _or_infinity(found[first]["usd_per_accepted_high"])
    least = min(found[name]["usd_per_accepted_low"] or 0.0 for name in others)
    if most < least:
        return f"{first} wins: it costs least per accepted image, with 95% confidence."
    return "None of them wins yet: the 95% intervals of their cost per accepted image overlap."


def _or_infinity(usd: float | None) -> float:
    return inf if usd is None else usd
