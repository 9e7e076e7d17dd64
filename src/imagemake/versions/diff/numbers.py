"""Summary numbers of two releases, and the cost of the new images in the later one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, get_args

import orjson

from imagemake.core.problems import Problem, UserError
from imagemake.release.manifest.row import Verdict
from imagemake.release.metrics.reasons import DECIDED

Number = int | float | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an image.

    Attributes:
        key: Key of the attempt.
        cost_usd: Cost of the attempt; None if unknown.
        has_image: Whether the provider returned an image.
        seconds: Duration; None if unknown.
    """

    key: str
    cost_usd: float | None
    has_image: bool
    seconds: float | None


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


def attempts_of(table: Any, where: str) -> list[Attempt]:
    """Return all attempts in a manifest, including earlier ones.

    Args:
        table: The manifest, from `imagemake.versions.diff.table.read_table`.
        where: Name of the manifest in messages.

    Raises:
        UserError: If a number or an earlier attempt is invalid.
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
            remedy = "Fetch or build the manifest again."
            what = f"the attempts of {name[:100]!a} are invalid: {str(error)[:100]!a}."
            raise UserError(Problem(where, what, remedy)) from error
    return found


def numbers_of(table: Any, attempts: Iterable[Attempt]) -> dict[str, Number]:
    """Return the summary numbers of a release; they equal those of `imagemake.release.metrics.metrics.metrics_of`."""
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
        "cost_usd_images": round(sum(costs), 6) if costs or not attempts else None,
        "cost_unknown": len(attempts) - len(costs),
        "mean_cost_usd_per_image": _mean([one.cost_usd for one in images], 6),
        "mean_seconds_per_image": _mean([one.seconds for one in images], 3),
    }


def new_attempts(before: Iterable[Attempt], after: Iterable[Attempt]) -> NewAttempts:
    """Summarize the attempts whose keys the earlier release does not have."""
    known = {attempt.key for attempt in before}
    new = [attempt for attempt in after if attempt.key not in known]
    costs = [attempt.cost_usd for attempt in new if attempt.cost_usd is not None]
    return NewAttempts(len(new), round(sum(costs), 6), len(new) - len(costs))


def _earlier(attempt: Mapping[str, Any]) -> Attempt:
    key, cost, seconds = attempt["key"], attempt.get("cost_usd"), attempt.get("seconds")
    if not isinstance(key, str) or not all(isinstance(one, int | float | None) for one in (cost, seconds)):
        raise ValueError("an earlier attempt is malformed")
    return Attempt(key, cost, attempt.get("raw_digest") is not None, seconds)


def _number(text: str) -> float | None:
    if text and not isfinite(float(text)):
        raise ValueError(f"{text} is not a cost or duration")
    return float(text) if text else None


def _mean(values: Iterable[float | None], digits: int) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), digits) if known else None
