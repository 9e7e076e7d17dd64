"""Names that two requests share, and how to tell these apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from imagemake.config.campaign import Campaign
from imagemake.core.problems import Problem
from imagemake.plan.requests.names import folded
from imagemake.plan.requests.request import Request


def shared_names(
    requests: Iterable[Request], campaign: Campaign, fields: Collection[str], where: str
) -> Iterator[Problem]:
    """Yield a problem for each request whose name another one has, also if only upper and lower case differ.

    Args:
        requests: The requests, in the order of the rows.
        campaign: The campaign.
        fields: The columns and variables that the name is made of.
        where: The campaign's file, to name in problems.
    """
    first: dict[str, Request] = {}
    for request in requests:
        other = first.setdefault(folded(request.name), request)
        if other is request or not request.name:
            continue
        what = f"its image is named {request.name!r}, "
        what += "like another one of this row" if other.row == request.row else f"like that of row {other.row}"
        what += "." if other.name == request.name else f", {other.name!r}: many disks ignore case."
        yield Problem(f"{campaign.catalog}, row {request.row}", what, _tell_apart(other, request, fields, where))


def _tell_apart(first: Request, second: Request, fields: Collection[str], where: str) -> str:
    differing = [name for name, value in first.variables.items() if second.variables[name] != value]
    unused = [name for name in differing if name not in fields]
    if unused:
        return f"Add a column in which they differ to name in {where}: {', '.join(f'{{{name}}}' for name in unused)}."
    if differing:
        return f"Change one of the values of {', '.join(map(repr, differing))}."
    return "Remove one of them. To make several images of one kind, set takes."
