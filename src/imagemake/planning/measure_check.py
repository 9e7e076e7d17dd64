"""Whether pictures can be measured as the campaign asks, before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from imagemake.measures import packages_missing
from imagemake.problems import Problem, UserError
from imagemake.wanted.campaign import CONFIG, Campaign
from imagemake.wanted.comparisons import compared_by
from imagemake.wanted.text import did_you_mean

if TYPE_CHECKING:
    from imagemake.planning.verdict import Check
    from imagemake.wanted.requests import Request


def check_measures(requests: Sequence[Request], campaign: Campaign) -> None:
    """Check what measures need: their packages, and values that pictures can be compared with.

    Args:
        requests: Those that a run works on.
        campaign: With its measures and checks.

    Raises:
        UserError: If something is missing: one problem a measure, and one a column and value.
    """
    problems = [*_not_installed(campaign)]
    for name, check in campaign.validation.checks.items():
        if check.variable is not None:
            problems += _not_comparable(name, check, requests, campaign)
    if problems:
        raise UserError(problems)


def _not_installed(campaign: Campaign) -> Iterator[Problem]:
    for measure in campaign.validation.measures_needed():
        missing = list(packages_missing(measure.name))
        if missing:
            yield Problem(
                f"{CONFIG}, validation",
                f"measure {measure.name!r} needs packages that are not installed: {', '.join(missing)}.",
                f"Install them: pip install 'imagemake[{measure.name}]'; or take its checks and its entry out.",
            )


def _not_comparable(name: str, check: Check, requests: Sequence[Request], campaign: Campaign) -> Iterator[Problem]:
    kind, column = compared_by(name), check.variable
    assert kind is not None, "a configuration with this mistake is not loaded"
    assert column is not None
    first: dict[str, Request] = {}
    for request in requests:
        if column not in request.variables:
            remedy = f"{did_you_mean(column, request.variables)} Known are {', '.join(request.variables)}.".strip()
            what = f"{column!r} is neither a column of the catalog nor a variable."
            yield Problem(f"{CONFIG}, validation.checks.{name}.variable", what, remedy)
            return
        first.setdefault(request.variables[column], request)
    for value, request in first.items():
        if value and (complaint := kind.complaint(value)):
            place = f"{campaign.catalog}, row {request.row} ({request.name}), column {column!r}"
            yield Problem(place, f"{value!r} {complaint}.", f"Write it in other words, or drop the check {name}.")
