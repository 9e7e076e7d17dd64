"""The bound on the number of requests, told before they are made."""

from __future__ import annotations

import math
from collections.abc import Iterable

from imagemake.config.campaign import Campaign
from imagemake.core.problems import Problem, UserError
from imagemake.plan.requests.request import Request


def check_number(campaign: Campaign, n_rows: int, where: str) -> None:
    """Check that rows, combinations, and takes do not multiply to too many requests.

    Raises:
        UserError: If they do, before ``exclude`` leaves anything out.
    """
    crossed = math.prod(len(values) for values in campaign.variables.values())
    if (number := n_rows * crossed * campaign.takes) > campaign.max_requests:
        factors = f"{n_rows:,} rows times {crossed:,} combinations times {campaign.takes:,} takes"
        raise _too_many(f"{factors} are {number:,} images before exclude", campaign, where)
    for position, item in enumerate(campaign.include):
        added = math.prod(len(values) for name, values in item.items() if name in campaign.variables)
        if (number := added * campaign.takes) > campaign.max_requests:
            raise _too_many(f"include[{position}] adds {number:,} images", campaign, where)


def within_bound(requests: Iterable[Request], campaign: Campaign, where: str) -> list[Request]:
    """Return the requests as a list.

    Raises:
        UserError: As soon as they are too many.
    """
    found = list[Request]()
    for request in requests:
        if len(found) == campaign.max_requests:
            raise _too_many("the items of include add too many images", campaign, where)
        found.append(request)
    return found


def _too_many(what: str, campaign: Campaign, where: str) -> UserError:
    remedy = "Use fewer rows, values, or takes, or raise max_requests if you want that many."
    return UserError(
        Problem(f"{where}, max_requests", f"{what}; at most {campaign.max_requests:,} are planned.", remedy)
    )
