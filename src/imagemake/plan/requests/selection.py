"""Selecting requests: those of a target, those that ``only`` names, and samples for a pilot."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from fnmatch import translate

from imagemake.config.campaign import Campaign
from imagemake.config.fields import CONFIG
from imagemake.core.problems import Problem, UserError
from imagemake.plan.requests.families import with_parents
from imagemake.plan.requests.file_names import FileNames
from imagemake.plan.requests.request import Request
from imagemake.store.layout import ALL, IMAGE, IMAGES, PILOT, RESULTS, SMALL


def within(campaign: Campaign, requests: Iterable[Request], *, where: str = CONFIG) -> frozenset[str]:
    """Return the names of the requests that ``only`` selects, and of what these are made from; all where it is empty.

    Patterns may end in the suffix of the images, as names copied from the results do.

    Raises:
        UserError: If a pattern matches no name.
    """
    names = {request.name: request for request in requests}
    if not campaign.only:
        return frozenset(names)
    wanted, problems = set[str](), []
    for written in campaign.only:
        pattern = unicodedata.normalize("NFC", written)
        found = {pattern, pattern.removesuffix(campaign.postprocess.output.suffix)} & names.keys()
        if not found and set(pattern) & set("*?["):
            matches = re.compile(translate(pattern.removesuffix(campaign.postprocess.output.suffix))).match
            found = {name for name in names if matches(name)}
        if not found:
            remedy = f"Names follow the template {campaign.name!r}, such as {min(names, default='none')}."
            problems.append(Problem(f"{where}, only", f"{written!r} matches no name.", remedy))
        wanted |= found
    if problems:
        raise UserError(problems)
    return with_parents(wanted, names)


def sample(requests: Sequence[Request], size: int, variables: Collection[str]) -> list[Request]:
    """Choose a few requests that show as many values as possible, independently of the order of rows.

    Args:
        requests: All requests, in catalog order.
        size: How many to choose.
        variables: The campaign's variables; each of their values should be seen.

    Returns:
        At most `size` requests and those that they are made from, in catalog order. Requests are taken in the order of
        their names' digests: first those that show a value not seen so far, then any. A larger sample contains every
        smaller one.
    """
    shuffled = sorted(requests, key=lambda request: hashlib.sha256(request.name.encode()).digest())
    of_name = {request.name: request for request in requests}
    seen = set[tuple[str, str]]()
    taken = set[str]()
    n_left = size

    def take(request: Request) -> None:
        nonlocal n_left
        n_left -= 1
        for one in with_parents([request.name], of_name) - taken:
            taken.add(one)
            seen.update((name, of_name[one].variables[name]) for name in variables)

    for request in shuffled:
        if n_left and request.name not in taken and {(name, request.variables[name]) for name in variables} - seen:
            take(request)
    for request in shuffled:
        if n_left and request.name not in taken:
            take(request)
    return [request for request in requests if request.name in taken]


def requests_of_scope(campaign: Campaign, requests: Sequence[Request], scope: str) -> list[Request]:
    """Return the requests of a target, and those that these are made from.

    Args:
        campaign: The campaign.
        requests: All of its requests.
        scope: ``all``, ``pilot``, ``small``, or ``image/`` and a file name.

    Raises:
        UserError: If no request makes that file.
    """
    if scope == ALL:
        return list(requests)
    if scope in (PILOT, SMALL):
        names = within(campaign, requests)
        chosen_from = [request for request in requests if request.name in names]
        size = campaign.pilot.size if scope == PILOT else max(campaign.pilot.size, campaign.small.size)
        return sample(chosen_from, size, campaign.variables)
    file_name = scope.removeprefix(IMAGE)
    file_names = FileNames(campaign)
    found = [request.name for request in requests if file_name in file_names.of(request).values()]
    if not found:
        example = ", ".join(file_names.of(requests[0]).values())
        remedy = f"Names follow the template {campaign.name!r}, such as {example}."
        raise UserError(Problem(str(RESULTS / IMAGES / file_name), "no request makes this file.", remedy))
    names = with_parents(found, {request.name: request for request in requests})
    return [request for request in requests if request.name in names]
