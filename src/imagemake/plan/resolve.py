"""Where each request stands: one function, called before a run, between its rounds, and at its end.

A request moves through its attempts. It stands at the first one whose image is missing, not measured, accepted, or in
review, or else at the last one. Near-duplicates are decided attempt by attempt over all requests. Of a pair, the image
that a reviewer approved stays, then the one of the earlier attempt, then the one whose name sorts first. Colors are
compared with those of the group's images that are accepted so far.

Images that are made from other images come after these: only the digest of an accepted image completes a recipe. So no
image depends on what is made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from imagemake.config.attempts import Remedy
from imagemake.config.fields import MAIN
from imagemake.config.verdict_codes import VerdictCode
from imagemake.plan.across import compare_good, name_repeats_in_review
from imagemake.plan.best_candidate import become, choose_best, take_next_best
from imagemake.plan.judging import calls_without_answer
from imagemake.plan.missing_image import look_missing
from imagemake.plan.next_attempt import go_to_next_model, goes_on
from imagemake.plan.parents import obstacles_among, why_waiting
from imagemake.plan.reasons import why_judge, why_postprocess, why_validate
from imagemake.plan.requests.families import generations
from imagemake.plan.routing import Routing
from imagemake.plan.state import OPEN, Policy, Stage, State
from imagemake.stages.validate.answers import values_of_answers, words_of_answer
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.text_match import texts_to_match
from imagemake.stages.validate.verdict import (
    ACCEPTED,
    Reason,
    Status,
    Verdict,
    judge,
    of_measures,
    still_to_measure,
)
from imagemake.store.items import of_output

if TYPE_CHECKING:
    from imagemake.core.recipe import Recipe
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.requests.request import Request
    from imagemake.plan.reviews import Review

NO_RUN = "9999"  # after every call
REVIEW_CODES = {"reject": VerdictCode.REVIEW, "regenerate": VerdictCode.REGENERATE}


def resolve(
    requests: Iterable[Request],
    inventory: Inventory,
    policy: Policy,
    reviews: Mapping[str, Review],
    since: str = NO_RUN,
) -> list[State]:
    """Find where each request stands.

    Args:
        requests: The requests, with unique names.
        inventory: What is in the store, the tables, and the journal.
        policy: What the campaign asks for.
        reviews: What reviewers decided, by key.
        since: When the run was planned, ISO 8601 in UTC; by default, there is no run.

    Returns:
        One state per request, in their order.
    """
    routing = Routing(inventory, policy.candidate_policy, since)
    requests = list(requests)
    found: dict[str, State] = {}
    kept: list[State] = []
    for generation in generations(requests):
        states = [_begin(requests[place], found, routing) for place in generation]
        found |= {state.request.name: state for state in states}
        walking = [state for state in states if state.stage is not Stage.WAITING]
        _walk(walking, routing, inventory, policy, reviews, kept=kept)
    states = [found[request.name] for request in requests]
    name_repeats_in_review(kept, [state for state in states if state.stage is Stage.REVIEW], policy, reviews)
    return states


def _begin(request: Request, known: Mapping[str, State], routing: Routing) -> State:
    """Return where a request stands before its first attempt is looked at."""
    if not request.parents:
        request = routing.first(request)
        return State(request, request.recipe, request.recipe.key())
    parents = tuple([known[name] for name in request.parents])
    if reasons := why_waiting(parents):
        state = State(request, request.recipe, request.recipe.key(), stage=Stage.WAITING, reasons=reasons)
        state.parents, state.obstacles = parents, obstacles_among(parents)
        return state
    digests = {one.request.name: one.raw.digest for one in parents if one.raw}
    request = routing.first(request.made_from(digests))
    return State(request, request.recipe, request.recipe.key(), parents=parents)


def _walk(
    walking: list[State],
    routing: Routing,
    inventory: Inventory,
    policy: Policy,
    reviews: Mapping[str, Review],
    *,
    kept: list[State],
) -> None:
    """Move requests through their attempts as far as they get, and add the accepted ones to `kept`."""
    while walking:
        verdicts = []
        for state in walking:
            verdicts.append((state, _look_by_model(state, routing, inventory, policy, reviews)))
            state.measured = inventory.held(state.measured)
        rejected = [state for state, verdict in verdicts if verdict is not None and verdict.status is Status.REJECTED]
        good = [state for state, verdict in verdicts if verdict is not None and verdict.status is Status.ACCEPTED]
        rejected += compare_good(kept, good, policy, reviews)
        accepted = [state for state in good if not state.reasons]
        kept += accepted
        for state in accepted:
            state.is_accepted = True
            _stand_accepted(state, inventory, policy)
        walking = [
            state for state in rejected if take_next_best(state) or goes_on(state, routing, inventory, policy, reviews)
        ]


def _look_by_model(
    state: State, routing: Routing, inventory: Inventory, policy: Policy, reviews: Mapping[str, Review]
) -> Verdict | None:
    """Look at the current attempt, or at the next model's if the current one cannot be asked; see `_look`."""
    while True:
        recipe = state.recipe
        verdict = _look_at_all(state, inventory, policy, reviews)
        if verdict is not None or not state.request.routes:
            return verdict
        if (request := routing.instead(state)) is None:
            for one in state.to_do:
                one.has_next = one.stage is Stage.GENERATE and routing.has_next(state)
            return None
        used_up = recipe.model if routing.is_used_up(recipe) else ""
        rivals = _rivals(state, recipe, policy)
        ended = [one for one in rivals if _look(one, inventory, policy, reviews) is not None or one.raw is not None]
        no_quota = (Reason.of(VerdictCode.NO_QUOTA, model=recipe.model),)
        state.past += tuple([one.as_past(one.reasons or no_quota) for one in ended])
        state.attempt += bool(ended)
        go_to_next_model(state, request)
        state.instead_of = used_up


def _look_at_all(state: State, inventory: Inventory, policy: Policy, reviews: Mapping[str, Review]) -> Verdict | None:
    """Look at the candidates of the current attempt, and go on with the best one; see `_look`."""
    if policy.candidate_policy.n == 1:
        return _look(state, inventory, policy, reviews)
    if state.is_chosen:  # it took the place of one that is nearly another request's image
        return ACCEPTED
    rivals = _rivals(state, state.recipe, policy)
    verdicts = [_look(rival, inventory, policy, reviews) for rival in rivals]
    open_ones = [rival for rival, verdict in zip(rivals, verdicts, strict=True) if verdict is None]
    if open_ones:
        state.open_candidates = tuple([rival for rival in open_ones if rival.stage in OPEN])
        become(state, (state.open_candidates or open_ones)[0])
        return None
    judged = [(rival, verdict) for rival, verdict in zip(rivals, verdicts, strict=True) if verdict is not None]
    return choose_best(state, judged, policy.candidate_policy, reviews)


def _rivals(state: State, recipe: Recipe, policy: Policy) -> list[State]:
    """Return where each candidate of an attempt stands, before anybody looked.

    Args:
        state: Where the request stands.
        recipe: The attempt's recipe, which is that of the first candidate.
        policy: Says how many there are.
    """
    return [
        replace(state, recipe=one, key=one.key(), candidate=place, raw=None, measured={}, reasons=())
        for place, one in enumerate(policy.candidate_policy.recipes(recipe))
    ]


def _look(state: State, inventory: Inventory, policy: Policy, reviews: Mapping[str, Review]) -> Verdict | None:
    """Return the verdict on the current attempt; None where there is none yet, and the stage says what is missing."""
    state.raw = inventory.raw.get(state.key)
    state.review = review = reviews.get(state.key)
    if state.raw is None and review is not None and review.decision != "approve":
        verdict = _with_review(ACCEPTED, review)  # an image that a reviewer rejected is not paid for again
        state.reasons = verdict.reasons
        return verdict
    if state.raw is None:
        return look_missing(state, inventory, policy)
    known = inventory.measured(state.raw.digest)
    request = state.request
    checks = policy.checks.of(request.variables, request.model or state.recipe.model)
    wanted = Expected(state.recipe.prompt, request.variables)
    needed = [*policy.measures, *texts_to_match(policy.measures, checks, wanted)]
    own_prompt = request.recipe.prompt
    edited = policy.edited.get(own_prompt, ())
    state.questions = policy.asked.wanted(own_prompt, request.variables, edited)
    state.measured = of_measures([*needed, *(one.identity for one in state.questions)], known)
    missing = still_to_measure(needed, state.measured)
    if missing:
        state.stage, state.why = Stage.VALIDATE, why_validate(missing, known)
        return None
    if state.to_ask:  # the store has answers that the tables lack, as after work/ was deleted
        kept = inventory.answers.about(state.raw.digest, state.to_ask, edited)
        state.measured = {**state.measured, **kept}
    verdict = judge(
        values_of(state.measured, checks, wanted) | values_of_answers(state.questions, state.measured),
        state.recipe.parameters,
        checks,
        formats=policy.formats,
        size_as_requested=policy.size_as_requested,
        told=partial(words_of_answer, state.questions, state.measured),
    )
    if state.to_ask and verdict.status is not Status.REJECTED and (review is None or policy.asked.also_decided):
        state.stage, state.why = Stage.JUDGE, why_judge(state.to_ask, {**known, **state.measured})
        unknown = calls_without_answer(state, inventory, policy) if policy.hold_unknown else 0
        if unknown:
            state.stage, state.reasons = Stage.HELD, (Reason.of(VerdictCode.UNKNOWN, calls=unknown),)
        return None
    if review is not None and verdict.status is Status.REJECTED:
        state.by_person = policy.attempts.remedy(verdict.reasons[0].code) is Remedy.PERSON
    verdict = _with_review(verdict, review)
    if request.needs_approval and review is None and verdict.status is Status.ACCEPTED:
        verdict = Verdict(Status.REVIEW, (Reason.of(VerdictCode.APPROVAL),))
    state.reasons = verdict.reasons
    if verdict.status is Status.REVIEW:
        state.stage = Stage.REVIEW
    return verdict


def _with_review(verdict: Verdict, review: Review | None) -> Verdict:
    if review is None:
        return verdict
    if review.decision == "approve":
        undecodable = any(reason.code == VerdictCode.UNDECODABLE for reason in verdict.reasons)
        return verdict if undecodable else ACCEPTED
    code = REVIEW_CODES[review.decision]
    return Verdict(Status.REJECTED, (Reason(code, review.note or code.words),))


def _stand_accepted(state: State, inventory: Inventory, policy: Policy) -> None:
    assert state.raw is not None
    keys = policy.output_keys(state.raw.digest)
    state.output_key = keys[MAIN]
    files = {output: stored for output, key in keys.items() if (stored := inventory.finished.get(key)) is not None}
    missing = [output for output in keys if output not in files]
    failed = next((output for output in missing if keys[output] in inventory.failed_outputs), None)
    if not missing:
        state.stage, state.finished = Stage.DONE, files.pop(MAIN)
        state.further = files
    elif failed is not None:
        failure = of_output(failed, inventory.failed_outputs[keys[failed]])
        state.stage, state.reasons = Stage.REJECTED, (Reason(failure.reason, failure.message),)
    else:
        state.stage = Stage.POSTPROCESS
        known = inventory.postprocessed_before.get(state.raw.digest, set())
        state.why = why_postprocess(missing, known, some=bool(files))
