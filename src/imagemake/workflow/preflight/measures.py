"""Whether images can be measured as the campaign asks, before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from imagemake.config.campaign import CONFIG, Campaign
from imagemake.config.checks import MODEL, compared_by
from imagemake.core.problems import NotReadyError, Problem, UserError
from imagemake.core.text import did_you_mean
from imagemake.plugins.measures import check_ready, install_command, measure_class, packages_missing

if TYPE_CHECKING:
    from imagemake.config.checks import Check, Override
    from imagemake.plan.requests.request import Request

MOST_LISTED = 10  # values of a column, where one of them was meant


def check_packages(campaign: Campaign) -> None:
    """Check that what the campaign's measures need is there: packages, and files that the user has.

    Raises:
        UserError: One problem a measure that lacks something.
    """
    problems = []
    for measure in campaign.validation.measures_needed():
        name = measure.name
        if missing := packages_missing(name):
            what = f"measure {name!r} needs packages that are not installed: {', '.join(missing)}."
            remedy = f"Install them: {install_command(name)}; or take its checks and its entry out."
            problems.append(Problem(f"{CONFIG}, validation", what, remedy))
            continue
        try:
            check_ready(name, measure_class(name).Settings.model_validate(measure.settings))
        except NotReadyError as error:
            problems.append(Problem(f"{CONFIG}, validation.measures.{name}", error.what, error.remedy))
    if problems:
        raise UserError(problems)


def check_comparisons(requests: Sequence[Request], campaign: Campaign) -> None:
    """Check that images can be compared with what the requests' columns say, and with their group.

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


def check_overrides(requests: Sequence[Request], campaign: Campaign) -> None:
    """Check that every override of a check's ranges is some request's.

    Args:
        requests: All of the campaign's, whatever the target: a sample need not have every value.
        campaign: With its checks.

    Raises:
        UserError: One problem a column that is not there, a value that no request has, and an override that never is
            the first one to hold.
    """
    checks = campaign.validation.checks.items()
    problems: list[Problem] = []
    for name, check in checks:
        places = [f"{CONFIG}, validation.checks.{name}.overrides[{place}]" for place in range(len(check.overrides))]
        wrong = [
            problem
            for place, override in zip(places, check.overrides, strict=True)
            for problem in _nobodys(override, f"{place}.when", requests)
        ]
        problems += wrong or _never_first(check, places, requests)
    if problems:
        raise UserError(problems)


def _nobodys(override: Override, place: str, requests: Sequence[Request]) -> Iterator[Problem]:
    for column, wanted in override.when.items():
        missing = [] if column == MODEL else list(_not_there(column, place, requests))
        yield from missing
        known = {} if missing else dict.fromkeys(_value(request, column) for request in requests)
        for value in () if missing else wanted:
            if value not in known:
                near = did_you_mean(value, known) or f"It has {', '.join(list(known)[:MOST_LISTED])}."
                yield Problem(place, f"no request has {value!r} as its {column}.", near)


def _never_first(check: Check, places: Sequence[str], requests: Sequence[Request]) -> Iterator[Problem]:
    columns = list(dict.fromkeys(name for override in check.overrides for name in override.when))
    first = set()
    for values in {tuple(_value(request, column) for column in columns) for request in requests}:
        by_name = dict(zip(columns, values, strict=True))
        holding = (place for place, override in enumerate(check.overrides) if override.holds_for(by_name))
        first.add(next(holding, None))
    remedy = "Correct the values, put it before one that holds for the same requests, or take it out."
    for number, place in enumerate(places):
        if number not in first:
            yield Problem(place, "no request has its ranges from here.", remedy)


def _value(request: Request, column: str) -> str:
    return (request.model or request.recipe.model) if column == MODEL else request.variables[column]


def _not_there(column: str, place: str, requests: Sequence[Request]) -> Iterator[Problem]:
    for request in requests:
        if column not in request.variables:
            remedy = f"{did_you_mean(column, request.variables)} Known are {', '.join(request.variables)}.".strip()
            yield Problem(place, f"{column!r} is neither a column of the catalog nor a variable.", remedy)
            return
