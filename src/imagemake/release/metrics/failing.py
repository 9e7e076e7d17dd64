"""Values of variables whose requests fail most often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.reasons import DECIDED, failed, failures_of, reason_code
from imagemake.release.metrics.success import interval_95

MOST_VALUES = 50  # a column with more values identifies rows rather than groups them
MOST_TOLD = 12
LEAST_REQUESTS = 3
_N, _FAILED, _CODE = "n", "failed", "code: "  # names of counts
Values: TypeAlias = dict[str, Counter[str]]


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


@dataclass(slots=True)
class Failing:
    """Counts decided requests and failures by the values of variables.

    Attributes:
        all: Of all decided requests.
        by_value: By variable and value; None for a variable with too many values.
    """

    all: Counter[str] = field(default_factory=Counter)
    by_value: dict[str, Values | None] = field(default_factory=dict)

    def count(self, row: ManifestRow) -> None:
        """Count a row."""
        if row.verdict not in DECIDED:
            return
        counts = [_N]
        if failed(row):
            counts += [_FAILED, *(_CODE + code for code in _codes(row))]
        self.all.update(counts[:2])
        for variable, value in row.variables.items():
            values = self.by_value.setdefault(variable, {})
            if values is not None:
                values.setdefault(value, Counter()).update(counts)
                self._limit(variable, values)

    def add(self, other: Failing) -> None:
        """Add the counts of other rows."""
        self.all.update(other.all)
        for variable, theirs in other.by_value.items():
            values = self.by_value.setdefault(variable, {})
            if theirs is None or values is None:
                self.by_value[variable] = None
                continue
            for value, counts in theirs.items():
                values.setdefault(value, Counter()).update(counts)
            self._limit(variable, values)

    def _limit(self, variable: str, values: Values) -> None:
        if len(values) > MOST_VALUES:
            self.by_value[variable] = None

    def as_data(self) -> dict[str, Any]:
        """Return plain data."""
        return {"all": self.all, "by_value": self.by_value}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Failing:
        """Return the counts of plain data."""
        by_value = {
            variable: None if values is None else {value: Counter(counts) for value, counts in values.items()}
            for variable, values in data["by_value"].items()
        }
        return cls(Counter(data["all"]), by_value)

    def values(self) -> list[FailingValue]:
        """Find values that fail significantly more often. A failed attempt counts even if a later one was accepted.

        A value is listed only if the low end of its rate's 95% interval is above the rate of all requests, so that
        chance results in small samples are not.

        Returns:
            At most twelve values, highest rates first.
        """
        if not self.all[_FAILED]:
            return []
        overall = self.all[_FAILED] / self.all[_N]
        found = [
            _value(variable, value, counts)
            for variable, values in self.by_value.items()
            if values is not None and len(values) > 1
            for value, counts in values.items()
            if counts[_N] >= LEAST_REQUESTS and interval_95(counts[_FAILED], counts[_N])[0] > overall
        ]
        found.sort(key=lambda one: (-one.failures / one.requests, -one.requests, one.variable, one.value))
        return found[:MOST_TOLD]


def failing_values(rows: Iterable[ManifestRow]) -> list[FailingValue]:
    """Find values of variables in rows that fail significantly more often; see `Failing.values`."""
    failing = Failing()
    for row in rows:
        failing.count(row)
    return failing.values()


def _value(variable: str, value: str, counts: Counter[str]) -> FailingValue:
    codes = {name.removeprefix(_CODE): n for name, n in counts.items() if name.startswith(_CODE)}
    reasons = dict(sorted(codes.items(), key=lambda one: (-one[1], one[0])))
    return FailingValue(variable, value, counts[_N], counts[_FAILED], reasons)


def _codes(row: ManifestRow) -> set[str]:
    told = [reason for earlier in row.history for reason in failures_of(earlier)]
    return {reason_code(reason) for reason in (*told, *(row.reasons if row.verdict != "accepted" else ()))}
