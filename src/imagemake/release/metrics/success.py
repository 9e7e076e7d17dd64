"""The success rate with its confidence interval, and the values of variables that fail most often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.reasons import DECIDED, failed, failures_of, reason_code

Z_95 = 1.959964  # standard normal deviate of a two-sided 95% interval
MOST_VALUES = 50  # a column with more values identifies rows rather than groups them
MOST_TOLD = 12
LEAST_REQUESTS = 3


def interval_95(successes: int, n: int) -> tuple[float, float]:
    """Return the 95% confidence interval of a rate, 0 to 1.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927. It
    is valid for few requests and for rates near 0 and 1, unlike the normal approximation.

    Args:
        successes: From 0 to n.
        n: At least 1.
    """
    rate, square = successes / n, Z_95**2
    center = rate + square / (2 * n)
    spread = Z_95 * sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    low, high = (center - spread) / (1 + square / n), (center + spread) / (1 + square / n)
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)


@dataclass(frozen=True, slots=True)
class FailingValue:
    """A value whose requests fail more often than the average.

    Attributes:
        variable: Column or variable.
        value: The value.
        requests: Number of decided requests with the value.
        failures: Number of these that failed.
        reasons: Reason codes of all their attempts and the number of requests with each, most frequent first.
    """

    variable: str
    value: str
    requests: int
    failures: int
    reasons: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def failing_values(entries: Sequence[ManifestRow]) -> list[FailingValue]:
    """Find values that fail significantly more often. A failed attempt counts even if a later one was accepted.

    A value is listed only if the low end of its rate's 95% interval is above the rate of all requests, so that chance
    results in small samples are not.

    Returns:
        At most twelve values, highest rates first.
    """
    decided = [entry for entry in entries if entry.verdict in DECIDED]
    if not any(map(failed, decided)):
        return []
    overall = sum(map(failed, decided)) / len(decided)
    found = []
    for variable in dict.fromkeys(name for entry in decided for name in entry.variables):
        by_value: dict[str, list[ManifestRow]] = {}
        for entry in decided:
            if variable in entry.variables:
                by_value.setdefault(entry.variables[variable], []).append(entry)
        if 1 < len(by_value) <= MOST_VALUES:
            found += [_failing(variable, value, own) for value, own in by_value.items() if _stands_out(own, overall)]
    found.sort(key=lambda one: (-one.failures / one.requests, -one.requests, one.variable, one.value))
    return found[:MOST_TOLD]


def _stands_out(entries: Sequence[ManifestRow], overall: float) -> bool:
    failures = sum(map(failed, entries))
    return len(entries) >= LEAST_REQUESTS and interval_95(failures, len(entries))[0] > overall


def _failing(variable: str, value: str, entries: Sequence[ManifestRow]) -> FailingValue:
    reasons = Counter(code for entry in entries for code in _codes(entry))
    return FailingValue(variable, value, len(entries), sum(map(failed, entries)), dict(reasons.most_common()))


def _codes(entry: ManifestRow) -> set[str]:
    told = [reason for earlier in entry.history for reason in failures_of(earlier)]
    return {reason_code(reason) for reason in (*told, *(entry.reasons if entry.verdict != "accepted" else ()))}
