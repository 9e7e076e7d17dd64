"""What checks compare pictures with: whether a configuration says it, and only where something is compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from imagemake.measures import Comparing, comparing_class
from imagemake.planning.checks import Check
from imagemake.wanted.config_problems import Mistake, mistakes


def comparable(checks: Mapping[str, Check]) -> Mapping[str, Check]:
    """Return the checks, by quantity, as they are.

    Raises:
        PydanticCustomError: If one compares with nothing, with two things, or with what it cannot understand.
    """
    found = [
        Mistake((name, *key), what, remedy)
        for name, check in checks.items()
        for key, what, remedy in _mistakes(name, check)
    ]
    if found:
        raise mistakes(found)
    return checks


@cache
def compared_by(check: str) -> type[Comparing] | None:
    """Return the class that a check's quantity is compared by; None where it is read from the picture alone."""
    measure, _, quantity = check.partition(".")
    kind = comparing_class(measure)
    return kind if kind is not None and quantity in kind.compared else None


def _mistakes(name: str, check: Check) -> Iterator[tuple[tuple[str, ...], str, str]]:
    given = [key for key in ("variable", "value") if getattr(check, key) is not None]
    kind = compared_by(name)
    if kind is None:
        for key in given:
            yield (key,), f"{name} is compared with nothing.", "Leave it out: the quantity is the picture's alone."
    elif len(given) > 1:
        yield (), "a check compares with a variable or with a value, not with both.", "Leave one of the two out."
    elif not given and name.partition(".")[2] not in kind.compares_with_prompt:
        remedy = "Name the column in variable, or one value for all pictures in value."
        yield (), f"{name} is compared with what was asked for, and nothing says where that stands.", remedy
    elif check.value is not None and (complaint := kind.complaint(check.value)):
        yield ("value",), f"{check.value!r} {complaint}.", "Write it in other words."
