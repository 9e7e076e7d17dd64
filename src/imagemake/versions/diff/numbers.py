"""Summary numbers of two releases, and the cost of the new images in the later one."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import compress
from math import isfinite, isnan, nan
from typing import Any, get_args

import orjson

from imagemake.core.problems import Problem, UserError
from imagemake.release.manifest.row import Verdict
from imagemake.release.metrics.reasons import DECIDED

Number = int | float | None
_AT_ONCE = 8_192  # rows


@dataclass(frozen=True, slots=True)
class Attempts:
    """All attempts in a manifest, one place each: an object each would take much of the memory.

    Attributes:
        keys: Hashes of their keys, within this process.
        costs_usd: Their costs; NaN if unknown.
        seconds: Their durations; NaN if unknown.
        have_images: 1 where the provider returned an image, or else 0.
    """

    keys: array[int] = field(default_factory=lambda: array("q"))
    costs_usd: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    have_images: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: str, cost_usd: float | None, seconds: float | None, *, has_image: bool) -> None:
        """Add an attempt."""
        self.keys.append(hash(key))
        self.costs_usd.append(nan if cost_usd is None else cost_usd)
        self.seconds.append(nan if seconds is None else seconds)
        self.have_images.append(has_image)


@dataclass(frozen=True, slots=True)
class NewAttempts:
    """The attempts that were paid for since the earlier release.

    Attributes:
        attempts: Number of attempts that the earlier release does not have.
        cost_usd: Their known cost.
        cost_unknown: Number of attempts whose cost is unknown.
    """

    attempts: int
    cost_usd: float
    cost_unknown: int


def attempts_of(table: Any, where: str) -> Attempts:
    """Return all attempts in a manifest, including earlier ones.

    Args:
        table: The manifest, from `imagemake.versions.diff.table.read_table`.
        where: Name of the manifest in messages.

    Raises:
        UserError: If a number or an earlier attempt is invalid.
    """
    columns = ("name", "key", "cost_usd", "raw_digest", "seconds", "tries", "history")
    found = Attempts()
    for start in range(0, len(table), _AT_ONCE):
        some = table.slice(start, _AT_ONCE)
        cells = [some[name].to_pylist() if name in some.column_names else [""] * len(some) for name in columns]
        for name, key, cost, raw, seconds, tries, history in zip(*cells, strict=True):
            try:
                for one in orjson.loads(history) if history else ():
                    _add_earlier(one, found)
                if raw or (tries and int(tries) > 0):
                    found.add(key, _number(cost), _number(seconds), has_image=bool(raw))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                remedy = "Fetch or build the manifest again."
                what = f"the attempts of {name[:100]!a} are invalid: {str(error)[:100]!a}."
                raise UserError(Problem(where, what, remedy)) from error
    return found


def numbers_of(table: Any, attempts: Attempts) -> dict[str, Number]:
    """Return the summary numbers of a release; they equal those of `imagemake.release.metrics.metrics.metrics_of`."""
    import pyarrow.compute as pc

    verdicts = Counter({one["values"]: one["counts"] for one in pc.value_counts(table["verdict"]).to_pylist()})
    decided = sum(verdicts[verdict] for verdict in DECIDED)
    costs = [cost for cost in attempts.costs_usd if not isnan(cost)]
    return {
        "requests": len(table),
        **{verdict: verdicts[verdict] for verdict in get_args(Verdict)},
        "success_rate": round(verdicts["accepted"] / decided, 4) if decided else None,
        "attempts": len(attempts),
        "cost_usd_images": round(sum(costs), 6) if costs or not attempts else None,
        "cost_unknown": len(attempts) - len(costs),
        "mean_cost_usd_per_image": _mean(compress(attempts.costs_usd, attempts.have_images), 6),
        "mean_seconds_per_image": _mean(compress(attempts.seconds, attempts.have_images), 3),
    }


def new_attempts(before: Attempts, after: Attempts) -> NewAttempts:
    """Summarize the attempts whose keys the earlier release does not have."""
    known = {*before.keys}
    new = [cost for key, cost in zip(after.keys, after.costs_usd, strict=True) if key not in known]
    costs = [cost for cost in new if not isnan(cost)]
    return NewAttempts(len(new), round(sum(costs), 6), len(new) - len(costs))


def _add_earlier(attempt: Mapping[str, Any], found: Attempts) -> None:
    key, cost, seconds = attempt["key"], attempt.get("cost_usd"), attempt.get("seconds")
    if not isinstance(key, str) or not all(isinstance(one, int | float | None) for one in (cost, seconds)):
        raise ValueError("an earlier attempt is malformed")
    found.add(key, cost, seconds, has_image=attempt.get("raw_digest") is not None)


def _number(text: str) -> float | None:
    if text and not isfinite(float(text)):
        raise ValueError(f"{text} is not a cost or duration")
    return float(text) if text else None


def _mean(values: Iterable[float], digits: int) -> float | None:
    known = [value for value in values if not isnan(value)]
    return round(sum(known) / len(known), digits) if known else None
