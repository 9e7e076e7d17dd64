"""Whether pictures can be measured as the campaign asks, before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from imagemake.measures import install_command, packages_missing
from imagemake.problems import Problem, UserError
from imagemake.wanted.campaign import CONFIG, Campaign
from imagemake.wanted.comparisons import compared_by
from imagemake.wanted.text import did_you_mean

if TYPE_CHECKING:
    from imagemake.planning.verdict import Check
    from imagemake.wanted.requests import Request


def check_packages(campaign: Campaign) -> None:
    """Check that what the campaign's measures need is installed.

    Raises:
        UserError: One problem a measure that lacks something.
    """
    problems = [
        Problem(
            f"{CONFIG}, validation",
            f"measure {name!r} needs packages that are not installed: {', '.join(missing)}.",
            f"Install them: {install_command(name)}; or take its checks and its entry out.",
        )
        for name in (measure.name for measure in campaign.validation.measures_needed())
        if (missing := packages_missing(name))
    ]
    if problems:
        raise UserError(problems)


def check_comparisons(requests: Sequence[Request], campaign: Campaign) -> None:
    """Check that pictures can be compared with what the requests' columns say, and with their group.

    Raises:
        UserError: One problem a column that is not there, and one a value that cannot be compared, at its first row.
    """
    checks = campaign.validation.checks.items()
    compared = [(name, check) for name, check in checks if check.variable is not None]
    problems = [problem for name, check in compared for problem in _not_comparable(name, check, requests, campaign)]
    consistency = campaign.validation.consistency
    for column in consistency.by if consistency else ():
        problems += _not_there(column, f"{CONFIG}, validation.consistency.by", requests)
    if problems:
        raise UserError(problems)


def _not_comparable(name: str, check: Check, requests: Sequence[Request], campaign: Campaign) -> Iterator[Problem]:
    kind, column = compared_by(name), check.variable
    assert kind is not None, "a configuration with this mistake is not loaded"
    assert column is not None
    missing = list(_not_there(column, f"{CONFIG}, validation.checks.{name}.variable", requests))
    if missing:
        yield from missing
        return
    first: dict[str, Request] = {}
    for request in requests:
        first.setdefault(request.variables[column], request)
    for value, request in first.items():
        if value and (complaint := kind.complaint(value)):
            place = f"{campaign.catalog}, row {request.row} ({request.name}), column {column!r}"
            yield Problem(place, f"{value!r} {complaint}.", f"Write it in other words, or drop the check {name}.")


def _not_there(column: str, place: str, requests: Sequence[Request]) -> Iterator[Problem]:
    for request in requests:
        if column not in request.variables:
            remedy = f"{did_you_mean(column, request.variables)} Known are {', '.join(request.variables)}.".strip()
            yield Problem(place, f"{column!r} is neither a column of the catalog nor a variable.", remedy)
            return
