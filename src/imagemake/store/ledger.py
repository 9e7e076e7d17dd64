"""The cost of calls: filters and sums of the journal.

Money is added as decimals, so sums are exact. Unknown costs are counted separately and never treated as zero.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fnmatch import translate
from typing import Any

from imagemake.core.problems import Problem, UserError
from imagemake.core.text import did_you_mean
from imagemake.store.journal import Call, Outcome

UNBILLED = (Outcome.REFUSED, Outcome.FAILED)  # free; the journal has no cost for them


def day_of(call: Call) -> str:
    """Return the day in UTC on which a call was sent, such as ``2026-01-31``."""
    return str(call.sent["at"])[:10]


def model_of(call: Call) -> str:
    """Return the provider's name of the model."""
    return str(call.sent["recipe"]["model"])


COLUMNS: Mapping[str, Callable[[Call], str]] = {
    "day": day_of,
    "model": model_of,
    "campaign": lambda call: str(call.sent["campaign"]),
    "outcome": lambda call: call.outcome.value,
    "name": lambda call: str(call.sent["name"]),
    "kind": lambda call: str(call.sent.get("kind", "image")),
}


def cost_of(call: Call) -> Decimal | None:
    """Return the billed cost of a call in USD, or None if it is unknown."""
    cost_usd = (call.closed or {}).get("cost_usd")
    if cost_usd is None:
        return Decimal(0) if call.outcome in UNBILLED else None
    return Decimal(str(cost_usd))


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter for calls. An attribute that is None matches every call.

    Attributes:
        since: First day, in UTC.
        until: Last day, in UTC.
        outcome: How the call ended.
        patterns: Case-sensitive shell patterns, by names in `COLUMNS`.
    """

    since: date | None = None
    until: date | None = None
    outcome: Outcome | None = None
    patterns: Mapping[str, str] = field(default_factory=dict)

    def test(self) -> Callable[[Call], bool]:
        """Return a function that returns whether a call matches."""
        since, until = str(self.since or ""), str(self.until or "9999-12-31")
        patterns = [(COLUMNS[column], re.compile(translate(glob))) for column, glob in self.patterns.items()]

        def holds(call: Call) -> bool:
            return (
                since <= day_of(call) <= until
                and (self.outcome is None or call.outcome is self.outcome)
                and all(pattern.match(text_of(call)) for text_of, pattern in patterns)
            )

        return holds

    def __str__(self) -> str:
        given = {"since": self.since, "until": self.until, "outcome": self.outcome, **self.patterns}
        return " ".join(f"--{name} {str(value)!r}" for name, value in given.items() if value is not None)


def read_question(
    by: str, *, since: str | None = None, until: str | None = None, outcome: str | None = None, **globs: str | None
) -> tuple[tuple[str, ...], Selection]:
    """Parse the options of `imagemake ledger`.

    Args:
        by: Names in `COLUMNS`, separated by commas, such as ``day,model``.
        since: First day, as ``YYYY-MM-DD``.
        until: Last day, as ``YYYY-MM-DD``.
        outcome: A value of `Outcome`.
        globs: Shell patterns, by names in `COLUMNS`.

    Returns:
        The columns to group by, and the filter.

    Raises:
        UserError: If options are invalid; lists every problem.
    """
    problems: list[Problem] = []
    columns = tuple(word.strip() for word in by.split(","))
    problems += [_unknown_word("--by", word, "column", COLUMNS) for word in columns if word not in COLUMNS]
    if len(set(columns)) < len(columns):
        problems.append(Problem("--by", f"{by!r} lists a column twice.", "List each column once."))
    first, last = (_day(option, text, problems) for option, text in (("--since", since), ("--until", until)))
    if first and last and first > last:
        problems.append(Problem("--until", f"{last} is before --since {first}.", "Swap the two dates."))
    known = [one.value for one in Outcome]
    if outcome is not None and outcome not in known:
        problems.append(_unknown_word("--outcome", outcome, "outcome", known))
    if problems:
        raise UserError(problems)
    patterns = {column: glob for column, glob in globs.items() if glob is not None}
    return columns, Selection(first, last, None if outcome is None else Outcome(outcome), patterns)


def _day(option: str, text: str | None, problems: list[Problem]) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        problems.append(Problem(option, f"{text!r} is not a date.", "Write it as YYYY-MM-DD, such as 2026-01-31."))
        return None


def _unknown_word(option: str, word: str, kind: str, known: Iterable[str]) -> Problem:
    remedy = f"{did_you_mean(word, known)} Known values are {', '.join(known)}.".strip()
    return Problem(option, f"unknown {kind} {word!r}.", remedy)


@dataclass(slots=True)
class Tally:
    """The sum of some calls.

    Attributes:
        calls: Number of calls.
        made: Number of calls that made an image.
        billed_usd: Sum of the known costs, exact.
        cost_unknown: Number of calls with an unknown cost, which `billed_usd` does not include.
        unknown: Number of calls with an unknown outcome.
        worst_usd: The most that the calls with an unknown outcome can cost; None if one of them has no known maximum.
        shared: Number of images that came from the team store without a call.
    """

    calls: int = 0
    made: int = 0
    billed_usd: Decimal = Decimal(0)
    cost_unknown: int = 0
    unknown: int = 0
    worst_usd: Decimal | None = Decimal(0)
    shared: int = 0

    def add(self, call: Call) -> None:
        """Add a call."""
        outcome, cost_usd = call.outcome, cost_of(call)
        if outcome is Outcome.SHARED:
            self.shared += 1
            return
        self.calls += 1
        self.made += outcome is Outcome.MADE and "kind" not in call.sent  # answers are no images
        if cost_usd is None:
            self.cost_unknown += 1
        else:
            self.billed_usd += cost_usd
        if outcome is Outcome.UNKNOWN:
            worst_usd = call.sent.get("worst_usd")
            self.unknown += 1
            if worst_usd is None or self.worst_usd is None:
                self.worst_usd = None
            else:
                self.worst_usd += Decimal(str(worst_usd))

    def __add__(self, other: Tally) -> Tally:
        bounds = (self.worst_usd, other.worst_usd)
        return Tally(
            calls=self.calls + other.calls,
            made=self.made + other.made,
            billed_usd=self.billed_usd + other.billed_usd,
            cost_unknown=self.cost_unknown + other.cost_unknown,
            unknown=self.unknown + other.unknown,
            worst_usd=None if None in bounds else sum(filter(None, bounds), Decimal(0)),
            shared=self.shared + other.shared,
        )


@dataclass(slots=True)
class Sums:
    """Calls, summed by columns.

    Attributes:
        by: Names in `COLUMNS`.
        groups: One tally per combination of values, in ascending order.
        total: Tally of all calls.
    """

    by: tuple[str, ...]
    groups: dict[tuple[str, ...], Tally]
    total: Tally


def sum_calls(calls: Iterable[Call], by: Sequence[str]) -> Sums:
    """Sum calls by columns in one pass, without keeping the calls in memory.

    Args:
        calls: Calls, such as from `imagemake.store.journal.read_calls`.
        by: Names in `COLUMNS`.
    """
    values = [COLUMNS[column] for column in by]
    groups: dict[tuple[str, ...], Tally] = {}
    for call in calls:
        group = tuple([value(call) for value in values])
        if group not in groups:
            groups[group] = Tally()
        groups[group].add(call)
    return Sums(tuple(by), dict(sorted(groups.items())), sum(groups.values(), Tally()))


def listed(call: Call) -> dict[str, Any]:
    """Return the row of a call in a list of calls; attempts count from 1. Unknown and absent values are None."""
    closed = call.closed or {}
    return {
        "at": call.sent["at"],
        "name": call.sent["name"],
        "attempt": call.sent["attempt"] + 1,  # people count from 1
        "try": call.sent["tried"],
        "model": model_of(call),
        "outcome": call.outcome.value,
        "code": closed.get("code"),
        "seconds": closed.get("seconds"),
        "cost_usd": cost_of(call),
        "request_id": closed.get("request_id"),
    }
