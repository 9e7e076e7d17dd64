"""Selecting requests: those that ``only`` names, and samples for a pilot."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from fnmatch import translate

from imagemake.config.campaign import CONFIG, Campaign
from imagemake.core.problems import Problem, UserError
from imagemake.plan.requests.request import Request


def within(campaign: Campaign, requests: Iterable[Request], *, where: str = CONFIG) -> frozenset[str]:
    """Return the names of the requests that ``only`` selects; all names where it is empty.

    Patterns may end in the suffix of the images, as names copied from the results do.

    Raises:
        UserError: If a pattern matches no name.
    """
    names = {request.name for request in requests}
    if not campaign.only:
        return frozenset(names)
    wanted, problems = set[str](), []
    for written in campaign.only:
        pattern = unicodedata.normalize("NFC", written)
        found = {pattern, pattern.removesuffix(campaign.postprocess.output.suffix)} & names
        if not found and set(pattern) & set("*?["):
            matches = re.compile(translate(pattern.removesuffix(campaign.postprocess.output.suffix))).match
            found = {name for name in names if matches(name)}
        if not found:
            remedy = f"Names follow the template {campaign.name!r}, such as {min(names, default='none')}."
            problems.append(Problem(f"{where}, only", f"{written!r} matches no name.", remedy))
        wanted |= found
    if problems:
        raise UserError(problems)
    return frozenset(wanted)


def sample(requests: Sequence[Request], size: int, variables: Collection[str]) -> list[Request]:
    """Choose a few requests that show as many values as possible, independently of the order of rows.

    Args:
        requests: All requests, in catalog order.
        size: How many to choose.
        variables: The campaign's variables; each of their values should be seen.

    Returns:
        At most `size` requests, in catalog order. Requests are taken in the order of their names' digests: first those
        that show a value not seen so far, then any. A larger sample contains every smaller one.
    """
    shuffled = sorted(requests, key=lambda request: hashlib.sha256(request.name.encode()).digest())
    seen = set[tuple[str, str]]()
    chosen = dict[str, Request]()
    for request in shuffled:
        new = {(name, request.variables[name]) for name in variables} - seen
        if new and len(chosen) < size:
            seen |= new
            chosen[request.name] = request
    for request in shuffled:
        if len(chosen) >= size:
            break
        chosen.setdefault(request.name, request)
    return [request for request in requests if request.name in chosen]
