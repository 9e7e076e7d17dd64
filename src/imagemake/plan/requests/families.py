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
    if not any(request.parents for request in requests):
        return
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
        yield from _circles(of_name, campaign)


def _spelled_alike(name: str, known: Iterable[str]) -> Iterable[str]:
    return [other for other in known if other[:SAME_START] == name[:SAME_START]] or islice(known, 1000)


def _circles(of_name: Mapping[str, Request], campaign: Campaign) -> Iterator[Problem]:
    for circle in _depths(of_name)[1]:
        first = min(circle, key=lambda name: (of_name[name].row, name))
        place = circle.index(first)
        way = " from ".join([*circle[place:], *circle[:place], first])
        what = f"these images are made from each other: {way}."
        remedy = "Change one of these references: an image must exist before another one can be made from it."
        yield Problem(f"{campaign.catalog}, row {of_name[first].row}", what, remedy)


def generations(requests: Sequence[Request]) -> list[list[int]]:
    """Divide requests by the longest chain of images that they are made from.

    Args:
        requests: Requests without circles, with all those that they are made from.

    Returns:
        The places of the requests, in their order: first those that need no other image, then those made from these.
    """
    if not any(request.parents for request in requests):
        return [list(range(len(requests)))]
    depth_of, _ = _depths({request.name: request for request in requests})
    found: list[list[int]] = [[] for _ in range(max(depth_of.values()) + 1)]
    for place, request in enumerate(requests):
        found[depth_of[request.name]].append(place)
    return found


def _depths(of_name: Mapping[str, Request]) -> tuple[dict[str, int], list[list[str]]]:
    """Return how long the chain before each image is, and the circles, in which each is made from the next one."""
    depth_of: dict[str, int] = {}
    circles: dict[tuple[str, str], list[str]] = {}
    left: list[str] = []
    for name, request in of_name.items():
        parents = request.parents
        before = [depth for one in parents if (depth := depth_of.get(one)) is not None]
        if len(before) == len(parents):  # nearly always, because catalogs name a hero first
            depth_of[name] = max(before) + 1 if before else 0
        else:
            left.append(name)
    for start in left:
        todo, way = [start], dict[str, None]()
        while todo:
            name = todo[-1]
            if name in depth_of:
                todo.pop()
                continue
            parents = of_name[name].parents
            way[name] = None
            missing = [one for one in parents if one not in depth_of]
            for one in missing:
                if one in way:
                    circles.setdefault((name, one), [*way][[*way].index(one) :])
            todo += (further := [one for one in missing if one not in way])
            if not further:
                depth_of[name] = 1 + max(depth_of.get(one, 0) for one in parents)
                del way[name]
    return depth_of, list(circles.values())


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
