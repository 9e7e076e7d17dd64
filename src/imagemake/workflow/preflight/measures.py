"""Checks before a run that images can be measured as configured."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

from imagemake.config.asked import JUDGE
from imagemake.config.campaign import Campaign
from imagemake.config.checks import MODEL, compared_by
from imagemake.config.fields import CONFIG
from imagemake.core.problems import NotReadyError, Problem, UserError
from imagemake.core.text import did_you_mean
from imagemake.plugins.measures import measure_class
from imagemake.plugins.registry import install_command, packages_missing

if TYPE_CHECKING:
    from imagemake.config.checks import Check, Override
    from imagemake.plan.requests.request import Request

MAX_LISTED = 10  # known values shown for an unknown one


def check_packages(campaign: Campaign) -> None:
    """Check that the packages and files that the campaign's measures need are present.

    Raises:
        UserError: One problem per measure that lacks something.
    """
    problems = []
    for measure in campaign.validation.measures_needed():
        name, kind = measure.name, measure_class(measure.name)
        if missing := packages_missing(kind):
            what = f"measure {name!r} needs packages that are not installed: {', '.join(missing)}."
            remedy = f"Install them with {install_command(name, kind)}, or remove the measure's checks and entry."
            problems.append(Problem(f"{CONFIG}, validation", what, remedy))
            continue
        try:
            kind.check(kind.Settings.model_validate(measure.settings))
        except NotReadyError as error:
            problems.append(Problem(f"{CONFIG}, validation.measures.{name}", error.what, error.remedy))
    if problems:
        raise UserError(problems)


def check_comparisons(requests: Sequence[Request], campaign: Campaign) -> None:
    """Check that images can be compared with the requests' columns and within their group, and questions be filled.

    Raises:
        UserError: One problem per missing column, and one per value that cannot be compared, at its first row.
    """
    checks = campaign.validation.checks.items()
    compared = [(name, check) for name, check in checks if check.variable is not None]
    problems = [problem for name, check in compared for problem in _not_comparable(name, check, requests, campaign)]
    place = f"{CONFIG}, validation.measures.{JUDGE}.questions"
    for column in campaign.validation.asked.columns:
        problems += _missing_column(column, place, requests)
    rewrite = campaign.attempts.rewrite
    for column in {name for text in rewrite.kept for name in text.fields} if rewrite else ():
        problems += _missing_column(column, f"{CONFIG}, attempts.rewrite.keep", requests)
    for column in sorted(campaign.attempts.repair_columns):
        problems += _missing_column(column, f"{CONFIG}, attempts.repair", requests)
    consistency = campaign.validation.consistency
    for column in consistency.by if consistency else ():
        problems += _missing_column(column, f"{CONFIG}, validation.consistency.by", requests)
    if problems:
        raise UserError(problems)


def missing_keys(campaign: Campaign) -> list[str]:
    """Return warnings about keys of servers that answer questions, where the environment has none."""
    servers = [asker.model.connects_to for asker in campaign.askers]
    names = {name for server in servers for name in server.variables() if not os.environ.get(name)}
    return [f"{name} is not set in the environment: no question would be answered." for name in sorted(names)]


def _not_comparable(name: str, check: Check, requests: Sequence[Request], campaign: Campaign) -> Iterator[Problem]:
    kind, column = compared_by(name), check.variable
    assert kind is not None, "loading the configuration rejects this"
    assert column is not None
    missing = list(_missing_column(column, f"{CONFIG}, validation.checks.{name}.variable", requests))
    if missing:
        yield from missing
        return
    first: dict[str, Request] = {}
    for request in requests:
        first.setdefault(request.variables[column], request)
    for value, request in first.items():
        if value and (complaint := kind.complaint(value)):
            place = f"{campaign.catalog}, row {request.row} ({request.name}), column {column!r}"
            yield Problem(place, f"{value!r} {complaint}.", f"Use other words, or remove the check {name}.")


def check_overrides(requests: Sequence[Request], campaign: Campaign) -> None:
    """Check that every override of a check's ranges applies to at least one request.

    Args:
        requests: All requests of the campaign, not only the target's, because a sample may lack some values.
        campaign: The campaign.

    Raises:
        UserError: One problem per missing column, value that no request has, and override that another one always
            precedes.
    """
    checks = campaign.validation.checks.items()
    problems: list[Problem] = []
    for name, check in checks:
        places = [f"{CONFIG}, validation.checks.{name}.overrides[{place}]" for place in range(len(check.overrides))]
        wrong = [
            problem
            for place, override in zip(places, check.overrides, strict=True)
            for problem in _unused_values(override, f"{place}.when", requests)
        ]
        problems += wrong or _never_applied(check, places, requests)
    if problems:
        raise UserError(problems)


def _unused_values(override: Override, place: str, requests: Sequence[Request]) -> Iterator[Problem]:
    for column, values in override.when.items():
        missing = [] if column == MODEL else list(_missing_column(column, place, requests))
        yield from missing
        known = {} if missing else dict.fromkeys(value for request in requests for value in _values(request, column))
        for value in () if missing else values:
            if value not in known:
                near = did_you_mean(value, known) or f"Known values are {', '.join(list(known)[:MAX_LISTED])}."
                yield Problem(place, f"no request has {value!r} as its {column}.", near)


def _never_applied(check: Check, places: Sequence[str], requests: Sequence[Request]) -> Iterator[Problem]:
    columns = list(dict.fromkeys(name for override in check.overrides for name in override.when))
    first = set()
    for values in {tuple(row) for request in requests for row in product(*(_values(request, one) for one in columns))}:
        by_name = dict(zip(columns, values, strict=True))
        holding = (place for place, override in enumerate(check.overrides) if override.holds_for(by_name))
        first.add(next(holding, None))
    remedy = "Correct its values, move it before overrides that apply to the same requests, or remove it."
    for number, place in enumerate(places):
        if number not in first:
            yield Problem(place, "this override applies to no request.", remedy)


def _values(request: Request, column: str) -> list[str]:
    return request.labels if column == MODEL else [request.variables[column]]


def _missing_column(column: str, place: str, requests: Sequence[Request]) -> Iterator[Problem]:
    for request in requests:
        if column not in request.variables:
            known = f"Known columns are {', '.join(request.variables)}."
            remedy = f"{did_you_mean(column, request.variables)} {known}".strip()
            yield Problem(place, f"{column!r} is neither a column of the catalog nor a variable.", remedy)
            return
