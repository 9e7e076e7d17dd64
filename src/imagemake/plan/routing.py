"""Which of several models makes an image: the first one that can, and the next one for what it refuses.

An image that is there already, from whichever of the models, stays: a rerun chooses it again and pays nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from imagemake.core.text import counted
from imagemake.store.journal import Outcome

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.requests.request import Request, Route
    from imagemake.plan.state import State

MOST_WHYS = 6


def most_attempts(campaign: Campaign) -> int:
    """Return the most attempts at one request, by all models that it may get."""
    return campaign.attempts.max * max((len(rule.model) for rule in campaign.model_rules), default=1)


def first_choice(request: Request, inventory: Inventory) -> Request:
    """Return a request with the model that makes it, as long as no model refuses it."""
    route = _choice(request.routes, inventory) if request.routes else None
    return request if route is None else request.by(route)


def next_choice(request: Request, inventory: Inventory) -> Request | None:
    """Return a request with the model that makes it after its current one refused; None if that was the last one."""
    route = _choice(request.routes[request.place + 1 :], inventory)
    return request.spare if route is None else request.by(route)


def _choice(routes: Sequence[Route], inventory: Inventory) -> Route | None:
    """Return the first route with an image, or with a refusal that leads to the next one; None if nothing is known."""
    for route in routes:
        key = route.recipe.key()
        if key in inventory.raw or key in inventory.submission_of or key in inventory.in_queues:
            return route
        history = inventory.journal.keys.get(key)
        if history is not None and history.last is Outcome.REFUSED:
            return route
    return None


def routing_lines(to_generate: Sequence[State]) -> Iterator[str]:
    """Yield lines about images that another model makes than the first one in the list, and why."""
    cannot, refused = Counter[tuple[str, str, str]](), Counter[tuple[str, str]]()
    for state in to_generate:
        label = state.request.model
        for route in state.request.routes[: state.request.place]:
            if route.why_not:
                cannot[label, route.label, route.why_not] += 1
            else:
                refused[label, route.label] += 1
    for (label, other, why), n in cannot.most_common(MOST_WHYS):
        yield f"  {label} makes {counted(n, 'image')} in place of {other}: {why}"
    if len(cannot) > MOST_WHYS:
        rest = sum(sorted(cannot.values())[: len(cannot) - MOST_WHYS])
        yield f"  Other models than the first one make {counted(rest, 'more image')}, for other such reasons."
    for (label, other), n in refused.items():
        yield f"  {label} makes {counted(n, 'image')} that {other} refused."
