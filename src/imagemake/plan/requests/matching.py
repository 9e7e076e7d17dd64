"""Which requests an item of the configuration is meant for: those that have all the values that it names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from imagemake.core.problems import Problem
from imagemake.core.text import did_you_mean

Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Match:
    """One such item, split into what it says of variables and of the row.

    Attributes:
        place: Where it stands, to name in problems.
        variables: Values by variable, one of which a choice must have.
        columns: Values by column, one of which a row must have.
    """

    place: str
    variables: Values
    columns: Values

    def holds_for_row(self, row: Mapping[str, str]) -> bool:
        """Say whether a row has what is asked of columns."""
        return all(row[column] in values for column, values in self.columns.items())

    def holds_for(self, choice: Mapping[str, str]) -> bool:
        """Say whether a choice of the variables has what is asked of them."""
        return all(choice[name] in values for name, values in self.variables.items())


def read_match(place: str, item: Values, variables: Collection[str], columns: Collection[str]) -> Match | list[Problem]:
    """Split an item by what it names; problems instead where that is neither a variable nor a column."""
    known = [*variables, *columns]
    unknown = [name for name in item if name not in known]
    if unknown:
        return [
            Problem(
                place,
                f"{name!r} is neither a variable nor a column.",
                f"{did_you_mean(name, known)} There are {', '.join(known)}.".strip(),
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
            did_you_mean(value, variables[name]) or f"It has {', '.join(variables[name])}.",
        )
        for name, values in match.variables.items()
        for value in values
        if value not in variables[name]
    ]
