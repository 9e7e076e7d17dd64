"""What two releases came to, in the same numbers, and what the new images of the later one cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, get_args

import orjson

from imagemake.core.problems import Problem, UserError
from imagemake.release.manifest.columns import Verdict
from imagemake.release.metrics.reasons import DECIDED

Number = int | float | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an image.

    Attributes:
        key: What it was asked for by.
        cost_usd: What it cost; None where nobody knows.
        has_image: Whether an image came.
        seconds: How long it took; None where nobody knows.
    """

    key: str
    cost_usd: float | None
    has_image: bool
    seconds: float | None


@dataclass(frozen=True, slots=True)
class New:
    """What was bought for the later release.

    Attributes:
        attempts: How many attempts the earlier one did not know.
        cost_usd: What they cost, as far as it is known.
        cost_unknown: Of how many it is not.
    """

    attempts: int
    cost_usd: float
    cost_unknown: int


def attempts_of(table: Any, where: str) -> list[Attempt]:
    """Return every attempt that a manifest tells of: those shown and those before them.

    Args:
        table: From `imagemake.versions.diff.table.read_table`.
        where: What the manifest is called in messages.

    Raises:
        UserError: If a number is none, or the earlier attempts cannot be read.
    """
    columns = ("name", "key", "cost_usd", "raw_digest", "seconds", "tries", "history")
    cells = [table[name].to_pylist() if name in table.column_names else [""] * len(table) for name in columns]
    found: list[Attempt] = []
    for name, key, cost, raw, seconds, tries, history in zip(*cells, strict=True):
        try:
            if history:
                found += map(_earlier, orjson.loads(history))
            if raw or (tries and int(tries) > 0):
                found.append(Attempt(key, _number(cost), bool(raw), _number(seconds)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            remedy = "It is not as a release writes it: fetch or build it again."
            what = f"the attempts of {name[:100]!a} cannot be read: {str(error)[:100]!a}."
            raise UserError(Problem(where, what, remedy)) from error
    return found


def numbers_of(table: Any, attempts: Iterable[Attempt]) -> dict[str, Number]:
    """Sum a release up; what `imagemake.release.metrics.metrics.metrics_of` has too is the same number."""
    verdicts = Counter(table["verdict"].to_pylist())
    decided = sum(verdicts[verdict] for verdict in DECIDED)
    attempts = list(attempts)
    costs = [attempt.cost_usd for attempt in attempts if attempt.cost_usd is not None]
    images = [attempt for attempt in attempts if attempt.has_image]
    return {
        "requests": len(table),
        **{verdict: verdicts[verdict] for verdict in get_args(Verdict)},
        "success_rate": round(verdicts["accepted"] / decided, 4) if decided else None,
        "attempts": len(attempts),
        "cost_usd_total": round(sum(costs), 6) if costs or not attempts else None,
        "cost_unknown": len(attempts) - len(costs),
        "mean_cost_usd_per_image": _mean([one.cost_usd for one in images], 6),
        "mean_seconds_per_image": _mean([one.seconds for one in images], 3),
    }


def new_in(before: Iterable[Attempt], after: Iterable[Attempt]) -> New:
    """Sum up the attempts whose key the earlier release did not know."""
    known = {attempt.key for attempt in before}
    new = [attempt for attempt in after if attempt.key not in known]
    costs = [attempt.cost_usd for attempt in new if attempt.cost_usd is not None]
    return New(len(new), round(sum(costs), 6), len(new) - len(costs))


def _earlier(attempt: Mapping[str, Any]) -> Attempt:
    key, cost, seconds = attempt["key"], attempt.get("cost_usd"), attempt.get("seconds")
    if not isinstance(key, str) or not all(isinstance(one, int | float | None) for one in (cost, seconds)):
        raise ValueError("an earlier attempt is not as a release writes it")
    return Attempt(key, cost, attempt.get("raw_digest") is not None, seconds)


def _number(text: str) -> float | None:
    if text and not isfinite(float(text)):
        raise ValueError(f"{text} is no cost and no duration")
    return float(text) if text else None


def _mean(values: Iterable[float | None], digits: int) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), digits) if known else None
