"""The graph of images that are made from other images of the campaign: its mistakes, its order, and its families."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from imagemake.config.references import OWN_IMAGE
from imagemake.core.problems import Problem
from imagemake.core.text import did_you_mean

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.requests.request import Request

MOST_SPELLINGS = 20  # unknown names whose nearest name is looked for among all
SAME_START = 2  # characters that a misspelled name is taken to share with the right one


def family_problems(requests: Sequence[Request], campaign: Campaign) -> Iterator[Problem]:
    """Find references to images that no request makes, and images that are made from each other in a circle."""
    of_name = {request.name: request for request in requests}
    unknown: dict[str, Request] = {}
    for request in requests:
        for name in request.parents:
            if name not in of_name:
                unknown.setdefault(name, request)
    for place, (name, request) in enumerate(unknown.items()):
        near = did_you_mean(name, _spelled_alike(name, of_name)) if place < MOST_SPELLINGS else ""
        what = f"its reference '{OWN_IMAGE}{name}' names no image of this campaign."
        remedy = f"{near} Names follow the template {campaign.name!r}, such as {requests[0].name}.".strip()
        yield Problem(f"{campaign.catalog}, row {request.row} ({request.name})", what, remedy)
    if not unknown:
        yield from _circles(requests, of_name, campaign)


def _spelled_alike(name: str, known: Iterable[str]) -> Iterable[str]:
    return [other for other in known if other[:SAME_START] == name[:SAME_START]] or islice(known, 1000)


def _circles(requests: Sequence[Request], of_name: Mapping[str, Request], campaign: Campaign) -> Iterator[Problem]:
    waiting = {requests[place].name for place in _never_ready(requests)}
    seen: set[str] = set()
    for start in sorted(waiting, key=lambda one: (of_name[one].row, one)):
        way: dict[str, None] = {}
        name = start
        while name not in seen and name not in way:
            way[name] = None
            name = next(parent for parent in of_name[name].parents if parent in waiting)
        seen |= way.keys()
        if name in way:
            circle = [*way][[*way].index(name) :]
            first = min(circle, key=lambda one: (of_name[one].row, one))
            turned = [*circle[circle.index(first) :], *circle[: circle.index(first)], first]
            what = f"these images are made from each other: {' from '.join(turned)}."
            remedy = "Change one of these references: an image must exist before another one can be made from it."
            yield Problem(f"{campaign.catalog}, row {of_name[first].row}", what, remedy)


def generations(requests: Sequence[Request]) -> list[list[int]]:
    """Divide requests by the longest chain of images that they are made from.

    Args:
        requests: Requests without circles; what others are made from may be missing, and counts as there.

    Returns:
        The places of the requests, in their order: first those that need no other image, then those made from these.
    """
    return _by_generation(requests)[0]


def _never_ready(requests: Sequence[Request]) -> list[int]:
    return _by_generation(requests)[1]


def _by_generation(requests: Sequence[Request]) -> tuple[list[list[int]], list[int]]:
    parents_of = {place: parents for place, one in enumerate(requests) if (parents := one.parents)}
    if not parents_of:
        return [list(range(len(requests)))], []
    place_of = {request.name: place for place, request in enumerate(requests)}
    children: dict[int, list[int]] = {}
    missing: dict[int, int] = {}
    for place, names in parents_of.items():
        inside = {place_of[name] for name in names if name in place_of}
        missing[place] = len(inside)
        for parent in inside:
            children.setdefault(parent, []).append(place)
    ready = [place for place in range(len(requests)) if not missing.get(place)]
    found: list[list[int]] = []
    while ready:
        found.append(ready)
        following: list[int] = []
        for parent in ready:
            for child in children.get(parent, ()):
                missing[child] -= 1
                if not missing[child]:
                    following.append(child)
        ready = sorted(following)
    return found, [place for place, n in missing.items() if n]


def with_parents(names: Iterable[str], of_name: Mapping[str, Request]) -> frozenset[str]:
    """Return the names, and those of all images that these are made from, however indirectly."""
    wanted = set(names)
    todo = list(wanted)
    while todo:
        more = [name for name in of_name[todo.pop()].parents if name not in wanted]
        wanted.update(more)
        todo += more
    return frozenset(wanted)


def with_approvals(requests: Sequence[Request]) -> list[Request]:
    """Return the requests, of which those are marked that a person must approve before others are made from them."""
    approved = {name for request in requests for name in request.attached.approved}
    return [replace(one, needs_approval=True) if one.name in approved else one for one in requests]
