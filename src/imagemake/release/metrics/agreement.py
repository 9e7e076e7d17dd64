"""How far a judge agrees with the people who decided about the same images, question by question.

A person who rejects an image, or asks for another one, says that it is bad; one who approves it says that it is good. A
judge says that an image is bad if its answer breaks the check's limits, or is missing. Only images that a person
decided about count, and those are mostly images that a check doubted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from imagemake.config.checks import Check
from imagemake.release.metrics.success import Z_95, interval_95
from imagemake.stages.validate.answers import Answer, answers_of

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.reviews import Review
    from imagemake.plan.state import Policy, State

BAD = ("reject", "regenerate")
DIGITS = 4


class Opinion(NamedTuple):
    """What a judge and a person say of one image.

    Attributes:
        value: The answer's value; None if there is no answer.
        judge: Whether the judge says that it is bad.
        person: Whether the person does.
    """

    value: float | None
    judge: bool
    person: bool


@dataclass(frozen=True, slots=True)
class Table:
    """Counts of opinions: whom the judge and the person call bad."""

    both: int = 0
    judge_only: int = 0
    person_only: int = 0
    neither: int = 0

    @classmethod
    def of(cls, opinions: Iterable[tuple[bool, bool]]) -> Table:
        """Count pairs of what the judge and the person say."""
        pairs = list(opinions)
        return cls(
            pairs.count((True, True)),
            pairs.count((True, False)),
            pairs.count((False, True)),
            pairs.count((False, False)),
        )

    @property
    def n(self) -> int:
        """Number of images."""
        return self.both + self.judge_only + self.person_only + self.neither

    def kappa(self) -> float | None:
        """Return Cohen's kappa; None if chance alone explains all, as where nobody calls anything bad."""
        if not self.n:
            return None
        chance = self._chance()
        return None if chance == 1 else ((self.both + self.neither) / self.n - chance) / (1 - chance)

    def kappa_interval(self) -> tuple[float, float] | None:
        """Return the 95% interval of kappa, within -1 and 1.

        Source: Fleiss, Cohen, and Everitt, "Large sample standard errors of kappa and weighted kappa", Psychological
        Bulletin 72, 1969.
        """
        kappa = self.kappa()
        if kappa is None:
            return None
        chance, rest = self._chance(), 1 - kappa
        cells = [[self.both / self.n, self.judge_only / self.n], [self.person_only / self.n, self.neither / self.n]]
        rows = [sum(row) for row in cells]
        columns = [cells[0][place] + cells[1][place] for place in (0, 1)]
        same = sum(cells[i][i] * (1 - (rows[i] + columns[i]) * rest) ** 2 for i in (0, 1))
        other = rest**2 * sum(cells[i][j] * (columns[i] + rows[j]) ** 2 for i, j in ((0, 1), (1, 0)))
        variance = (same + other - (kappa - chance * rest) ** 2) / (self.n * (1 - chance) ** 2)
        spread = Z_95 * sqrt(max(0.0, variance))
        return max(-1.0, kappa - spread), min(1.0, kappa + spread)

    def _chance(self) -> float:
        judge, person = self.both + self.judge_only, self.both + self.person_only
        return (judge * person + (self.n - judge) * (self.n - person)) / self.n**2


def agreement(
    states: Sequence[State], inventory: Inventory, policy: Policy, reviews: Mapping[str, Review]
) -> dict[str, Any]:
    """Return how far a judge and people agree: for each question, and for all questions together.

    A person rejects an image for any reason, so the answers to all questions together can agree better than each.

    Args:
        states: Where the requests stand.
        inventory: Has the answers about earlier attempts.
        policy: Has the checks.
        reviews: What people decided, by key.

    Returns:
        ``questions``, by name and in their order, and ``overall``, where an image is bad if any answer says so; None
        if nobody has decided about an image that the judge saw.
    """
    overall: list[tuple[bool, bool]] = []
    by_question: dict[str, tuple[str, list[Opinion]]] = {}
    for state in states:
        checks = policy.checks.of(state.request.variables, state.request.model or state.recipe.model)
        for key, answers in _judged(state, inventory, policy):
            review = reviews.get(key)
            if review is None or not answers:
                continue
            person = review.decision in BAD
            judge = {answer.name: _says_bad(answer, checks.get(f"judge.{answer.name}")) for answer in answers}
            overall.append((any(judge.values()), person))
            for answer in answers:
                opinions = by_question.setdefault(answer.name, (answer.good, []))[1]
                opinions.append(Opinion(answer.value, judge[answer.name], person))
    return {
        "questions": {name: figures(opinions, good=good) for name, (good, opinions) in by_question.items()},
        "overall": rates(Table.of(overall)) if overall else None,
    }


def figures(opinions: Sequence[Opinion], *, good: str) -> dict[str, Any]:
    """Return the agreement about one question.

    Args:
        opinions: Of the images that both spoke about, at least one.
        good: The good answer: with ``no``, high values are bad.
    """
    threshold, best = fitting_threshold(opinions, good=good)
    return {
        **rates(Table.of((one.judge, one.person) for one in opinions)),
        "unanswered": sum(one.value is None for one in opinions),
        "threshold": threshold,
        "threshold_kappa": _rounded(best),
    }


def rates(table: Table) -> dict[str, Any]:
    """Return precision, recall, and kappa with their 95% intervals."""
    judged_bad, rejected = table.both + table.judge_only, table.both + table.person_only
    interval = table.kappa_interval()
    return {
        "images": table.n,
        "judged_bad": judged_bad,
        "rejected": rejected,
        **_rate("precision", table.both, judged_bad),
        **_rate("recall", table.both, rejected),
        "kappa": _rounded(table.kappa()),
        "kappa_low": None if interval is None else _rounded(interval[0]),
        "kappa_high": None if interval is None else _rounded(interval[1]),
    }


def fitting_threshold(opinions: Sequence[Opinion], *, good: str) -> tuple[float | None, float | None]:
    """Return the limit with the highest kappa on these images, and that kappa; None if no limit tells them apart.

    It is halfway between two values. On other images, it fits less well.
    """
    values = sorted({one.value for one in opinions if one.value is not None})
    found: list[tuple[float, float]] = []
    for low, high in pairwise(values):
        limit = (low + high) / 2
        bad = (one.value is None or (one.value > limit if good == "no" else one.value < limit) for one in opinions)
        kappa = Table.of(zip(bad, (one.person for one in opinions), strict=True)).kappa()
        if kappa is not None:
            found.append((kappa, limit))
    if not found:
        return None, None
    kappa, limit = max(found)
    return round(limit, DIGITS), kappa


def _judged(state: State, inventory: Inventory, policy: Policy) -> Iterator[tuple[str, list[Answer]]]:
    yield state.key, answers_of(state.questions, state.measured)
    prompt = state.request.recipe.prompt
    edited = policy.edited.get(prompt, ())
    wanted = policy.asked.wanted(prompt, state.request.variables, edited) if state.past else []
    for past in state.past:
        if past.raw is not None:
            known = inventory.measured(past.raw.digest)
            missing = [one for one in wanted if one.identity not in known]
            yield past.key, answers_of(wanted, {**known, **inventory.answers.about(past.raw.digest, missing, edited)})


def _says_bad(answer: Answer, check: Check | None) -> bool:
    if answer.value is None:
        return True
    limits = (check.reject, check.review) if check is not None else ()
    return any(limit is not None and limit.broken_by(answer.value) is not None for limit in limits)


def _rate(name: str, part: int, whole: int) -> dict[str, float | None]:
    if not whole:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    low, high = interval_95(part, whole)
    return {name: _rounded(part / whole), f"{name}_low": _rounded(low), f"{name}_high": _rounded(high)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
