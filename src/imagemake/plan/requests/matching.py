"""Matches items of the configuration with the requests that have all of their values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from imagemake.core.problems import Problem
from imagemake.core.text import did_you_mean

Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Match:
    """An item, split into values of variables and values of columns.

    Attributes:
        place: Where the item is, to name in problems.
        variables: Values by variable; a choice must have one of each.
        columns: Values by column; a row must have one of each.
    """

    place: str
    variables: Values
    columns: Values

    def holds_for_row(self, row: Mapping[str, str]) -> bool:
        """Return whether a row has the values of the columns."""
        return all(row[column] in values for column, values in self.columns.items())

    def holds_for(self, choice: Mapping[str, str]) -> bool:
        """Return whether a choice has the values of the variables."""
        return all(choice[name] in values for name, values in self.variables.items())


def read_match(place: str, item: Values, variables: Collection[str], columns: Collection[str]) -> Match | list[Problem]:
    """Split an item; return problems instead if it names something that is neither a variable nor a column."""
    known = [*variables, *columns]
    unknown = [name for name in item if name not in known]
    if unknown:
        return [
            Problem(
                place,
                f"{name!r} is neither a variable nor a column.",
                f"{did_you_mean(name, known)} Known names: {', '.join(known)}.".strip(),
            )
            for name in unknown
        ]
    named = {name: values for name, values in item.items() if name in variables}
    return Match(place, named, {name: values for name, values in item.items() if name not in named})


def values_missing(match: Match, variables: Values) -> list[Problem]:
    """Return a problem for each value that its variable does not have."""
    return [
        Problem(
            match.place,
            f"variable {name!r} has no value {value!r}.",
            did_you_mean(value, variables[name]) or f"Its values: {', '.join(variables[name])}.",
        )
        for name, values in match.variables.items()
        for value in values
        if value not in variables[name]
    ]
