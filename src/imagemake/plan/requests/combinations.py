"""Combinations of the variables' values: all of them, without the excluded ones, plus the included ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from imagemake.core.problems import Problem
from imagemake.plan.requests.matching import Match, Values, read_match, values_missing

Choice = Mapping[str, str]  # a value for every variable


class Combinations:
    """Finds the choices of the variables for each row.

    Args:
        variables: The values of each variable.
        exclude: Values of variables and columns; a choice that has all of them is left out.
        include: One or more values for every variable, and values of columns that a row must have.
        columns: The columns of the catalog.
        where: The file to name in problems.

    Attributes:
        problems: Mistakes in the items; items with a mistake are not applied.
    """

    def __init__(
        self,
        variables: Values,
        exclude: Sequence[Values],
        include: Sequence[Values],
        *,
        columns: Sequence[str],
        where: str,
    ) -> None:
        self.problems: list[Problem] = []
        self._variables = variables
        self._columns = columns
        excluding = [rule for i, item in enumerate(exclude) if (rule := self._rule(f"{where}, exclude[{i}]", item))]
        including = [rule for i, item in enumerate(include) if (rule := self._rule(f"{where}, include[{i}]", item))]
        excluding = [rule for rule in excluding if self._excludes_something(rule)]
        including = [rule for rule in including if self._is_whole(rule)]
        everywhere = [rule for rule in excluding if not rule.columns]
        self._crossed = [
            choice for choice in _crossed(variables) if not any(rule.holds_for(choice) for rule in everywhere)
        ]
        self._excluding = _by_cell(rule for rule in excluding if rule.columns)
        self._including = _by_cell(rule for rule in including if rule.columns)
        self._included_everywhere = [choice for r in including if not r.columns for choice in _crossed(r.variables)]
        self._unused = {rule.place: rule for rule in [*excluding, *including] if rule.columns}
        self._same_for_all = _with(self._crossed, self._included_everywhere)

    def of(self, row: Mapping[str, str]) -> list[Choice]:
        """Return the choices for one row, in the order of the variables' values; included ones come last."""
        excluding = self._for_row(self._excluding, row)
        including = self._for_row(self._including, row)
        if not excluding and not including:
            return self._same_for_all
        left = [choice for choice in self._crossed if not any(rule.holds_for(choice) for rule in excluding)]
        added = [choice for rule in including for choice in _crossed(rule.variables)]
        return _with(left, [*self._included_everywhere, *added])

    def never_used(self) -> list[Problem]:
        """Return a problem for each item that matched no row so far; call it after the last row."""
        return [
            Problem(
                rule.place,
                f"no row has {' and '.join(f'{column} {_any_of(values)}' for column, values in rule.columns.items())}.",
                "Correct the value, or remove the item.",
            )
            for rule in self._unused.values()
        ]

    def _for_row(self, rules: Mapping[str, Mapping[str, list[Match]]], row: Mapping[str, str]) -> list[Match]:
        found = [
            rule
            for column, by_value in rules.items()
            for rule in by_value.get(row[column], ())
            if rule.holds_for_row(row)
        ]
        for rule in found:
            self._unused.pop(rule.place, None)
        return found

    def _rule(self, place: str, item: Values) -> Match | None:
        read = read_match(place, item, self._variables, self._columns)
        if isinstance(read, Match):
            return read
        self.problems += read
        return None

    def _excludes_something(self, rule: Match) -> bool:
        missing = values_missing(rule, self._variables)
        self.problems += missing
        return not missing

    def _is_whole(self, rule: Match) -> bool:
        missing = [name for name in self._variables if name not in rule.variables]
        if missing:
            what = f"it has no value for the variable {', '.join(map(repr, missing))}."
            self.problems.append(Problem(rule.place, what, "Give every variable a value or a list of values."))
        return not missing


def _crossed(variables: Values) -> list[Choice]:
    return [dict(zip(variables, values, strict=True)) for values in product(*variables.values())]


def _with(choices: list[Choice], more: Sequence[Choice]) -> list[Choice]:
    found = list(choices)
    for choice in more:
        if choice not in found:
            found.append(choice)
    return found


def _by_cell(rules: Iterable[Match]) -> dict[str, dict[str, list[Match]]]:
    """Index rules by their first column and its values, so that not every row is compared with thousands of rules."""
    index: dict[str, dict[str, list[Match]]] = {}
    for rule in rules:
        column, values = next(iter(rule.columns.items()))
        for value in values:
            index.setdefault(column, {}).setdefault(value, []).append(rule)
    return index


def _any_of(values: Sequence[str]) -> str:
    return " or ".join(map(repr, values))
