"""Which of several models makes an image: the first one that can, and the next one for what it refuses.

If the quota of a model is used up, the next one makes what is left in this run; the next run asks the first one again.
An image that is there already, from whichever of the models, stays: a rerun chooses it again and pays nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imagemake.config.attempts import Remedy
from imagemake.config.verdict_codes import VerdictCode
from imagemake.core.text import counted
from imagemake.plan.state import Stage
from imagemake.store.journal import Outcome

if TYPE_CHECKING:
    from imagemake.config.attempts import Attempts
    from imagemake.config.campaign import Campaign
    from imagemake.core.recipe import Recipe
    from imagemake.plan.call_times import ModelId
    from imagemake.plan.candidates import CandidatePolicy
    from imagemake.plan.inventory import Inventory, JournalFacts
    from imagemake.plan.requests.request import Request, Route
    from imagemake.plan.state import Past, State

MOST_WHYS = 6


def most_attempts(campaign: Campaign) -> int:
    """Return the most attempts at one request, by all models that it may get."""
    return campaign.attempts.max * max((len(rule.model) for rule in campaign.model_rules), default=1)


def model_of(recipe: Recipe) -> ModelId:
    """Return the model of a recipe, as the journal's facts name it."""
    return recipe.provider, recipe.endpoint, recipe.model


class Routing:
    """Chooses the model that makes each image.

    Args:
        inventory: What exists, and what the journal says.
        candidate_policy: How many images each attempt has.
        since: When the run was planned, ISO 8601 in UTC. A model whose quota was used up since then makes nothing more
            in this run; the next run asks it again.
    """

    def __init__(self, inventory: Inventory, candidate_policy: CandidatePolicy, since: str) -> None:
        self._inventory, self._candidate_policy, self._since = inventory, candidate_policy, since

    def first(self, request: Request) -> Request:
        """Return a request with the model that has begun it, or else with the first one that can make it."""
        begun = self._begun(request.routes, None)
        return request if begun is None else request.by(begun)

    def after_rejection(self, state: State) -> Request | None:
        """Return a request with the model that makes it after its current one; None if that was the last."""
        later = state.request.routes[state.request.place + 1 :]
        route = self._begun(later, state.asked) or self._able(later)
        return None if route is None else state.request.by(route)

    def instead(self, state: State) -> Request | None:
        """Return a request with the model that makes it because its current one cannot be asked; None if it can be.

        A later model that has begun it goes on: it began because the quota of the current one was used up.
        """
        to_do = state.to_do
        asks = any(one.stage is Stage.GENERATE for one in to_do) and not any(one.is_submitted for one in to_do)
        later = state.request.routes[state.request.place + 1 :]
        if not later or not asks:
            return None
        route = self._begun(later, state.asked)
        if route is None and self.is_used_up(state.recipe):
            route = self._able(later)
        return None if route is None else state.request.by(route)

    def has_next(self, state: State) -> bool:
        """Return whether another model can make an image if the quota of its current one is used up."""
        return self._able(state.request.routes[state.request.place + 1 :]) is not None

    def is_used_up(self, recipe: Recipe) -> bool:
        """Return whether a call of this run met the end of the quota of a recipe's model."""
        return self._inventory.journal.used_up_at.get(model_of(recipe), "") >= self._since

    def _begun(self, routes: Sequence[Route], asked: Recipe | None) -> Route | None:
        """Return the first model with an image, or with one on its way; before it, one that refused, to tell of it.

        Args:
            routes: The models.
            asked: Has the prompt that a reviewer wrote; None if nobody did.
        """
        keys = [self._keys(route, asked) for route in routes]
        has_image = next((place for place, own in enumerate(keys) if any(map(self._is_there, own))), None)
        if has_image is None:
            return None
        before = (place for place in range(has_image) if any(map(self._is_refused, keys[place])))
        return routes[next(before, has_image)]

    def _keys(self, route: Route, asked: Recipe | None) -> list[str]:
        recipe = route.recipe if asked is None else replace(route.recipe, prompt=asked.prompt)
        return [one.key() for one in self._candidate_policy.recipes(recipe)]

    def _is_there(self, key: str) -> bool:
        inventory = self._inventory
        return key in inventory.raw or key in inventory.submission_of or key in inventory.in_queues

    def _is_refused(self, key: str) -> bool:
        history = self._inventory.journal.keys.get(key)
        return history is not None and history.last is Outcome.REFUSED

    def _able(self, routes: Sequence[Route]) -> Route | None:
        return next((one for one in routes if not one.why_not and not self.is_used_up(one.recipe)), None)


def routing_lines(to_generate: Sequence[State], journal: JournalFacts) -> Iterator[str]:
    """Yield lines about images that another model makes than the first one in the list, and why.

    Args:
        to_generate: Images that a provider will be asked for.
        journal: Says whose quota was used up.
    """
    cannot, others = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for state in to_generate:
        label = state.request.model
        last = {model_of(past.recipe): past for past in state.past}
        for route in state.request.routes[: state.request.place]:
            if route.why_not:
                cannot[label, route.label, route.why_not] += 1
            else:
                others[label, route.label, _why_not_by(last.get(model_of(route.recipe)))] += 1
    for (label, other, why), n in cannot.most_common(MOST_WHYS):
        yield f"  {label} makes {counted(n, 'image')} in place of {other}: {why}"
    if len(cannot) > MOST_WHYS:
        rest = sum(sorted(cannot.values())[: len(cannot) - MOST_WHYS])
        yield f"  Other models than the first one make {counted(rest, 'more image')}, for other such reasons."
    for (label, before, words), n in others.items():
        yield f"  {label} {words.format(n=counted(n, 'image'), before=before)}"
    yield from _asked_again(to_generate, journal)


def stays_with_model(state: State, attempts: Attempts) -> bool:
    """Return whether the store and the journal alone say which of several models made an accepted image.

    If not, it also counts which models can make it, and when a quota ended, and both change with time.
    """
    attempts_made: list[State | Past] = [state, *state.past]
    begun_at = state.by_model_from
    passed_on = [
        [_passes_on(past, attempts) for past in state.past if past.attempt == number] for number in range(state.attempt)
    ]
    has_begun = any(one.raw is not None for one in attempts_made if one.attempt == begun_at)
    was_passed_on = all(found and all(found) for found in passed_on[:begun_at])
    is_last = state.request.model == state.request.routes[-1].label
    stayed = is_last or not any(map(any, passed_on[begun_at:]))
    return has_begun and was_passed_on and stayed


def _passes_on(past: Past, attempts: Attempts) -> bool:
    """Return whether a rejected attempt goes to the next model, if there is one."""
    return is_refused(past) or any(attempts.remedy(reason.code) is Remedy.NEXT_MODEL for reason in past.reasons)


def is_refused(past: Past) -> bool:
    """Return whether the provider refused an attempt."""
    return any(reason.code == VerdictCode.REFUSED for reason in past.reasons)


def _why_not_by(last: Past | None) -> str:
    """Return what another model does after the last attempt by one, in words."""
    if last is None or any(reason.code == VerdictCode.NO_QUOTA for reason in last.reasons):
        return "goes on with {n} that it began in place of {before}."
    return "makes {n} that {before} refused." if is_refused(last) else "makes {n} anew, rejected as made by {before}."


def _asked_again(to_generate: Sequence[State], journal: JournalFacts) -> Iterator[str]:
    """Yield a line for each model of a list that had no quota left when it was last asked."""
    asked = {(state.request.model, model_of(state.recipe)): state for state in to_generate if state.has_next}
    for (label, model), state in asked.items():
        at = journal.used_up_at.get(model, "")
        if at and at >= journal.answered_at.get(model, "") and (spare := state.request.spare) is not None:
            again = f"It is asked again; if it still has none, {spare.model} makes its images."
            yield f"  {label} had no quota left on {at[:10]} at {at[11:16]} UTC. {again}"
