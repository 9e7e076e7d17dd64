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
from imagemake.config.placeholders import parse_template
from imagemake.config.verdict_codes import VerdictCode
from imagemake.plan.across import compare_good, name_repeats_in_review
from imagemake.plan.attempts import edited_prompt, patches_for, recipe_of_attempt, recipe_of_repair
from imagemake.plan.best_candidate import become, choose_best, take_next_best
from imagemake.plan.judging import calls_without_answer
from imagemake.plan.parents import SENT, obstacles_among, why_waiting
from imagemake.plan.reasons import RebuildReason, Why, why_generate, why_judge, why_postprocess, why_validate
from imagemake.plan.repair_masks import mask_of_repair
from imagemake.plan.requests.families import generations
from imagemake.plan.rewriting import rewritten
from imagemake.plan.routing import Routing, is_refused
from imagemake.plan.state import OPEN, Policy, Stage, State
from imagemake.plugins.providers import NOT_FETCHED
from imagemake.stages.rewrite.rejection import Rewritten
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
from imagemake.store.journal import Outcome

if TYPE_CHECKING:
    from imagemake.core.recipe import Recipe
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.requests.request import Request
    from imagemake.plan.reviews import Review

REJECTED_BY_CALL = {Outcome.REFUSED: VerdictCode.REFUSED, Outcome.UNREADABLE: VerdictCode.UNREADABLE}
BY_REVIEWER = "review"
REASON_OF = {str(Remedy.REWRITE): RebuildReason.REWRITTEN, str(Remedy.REPAIR): RebuildReason.REPAIRED}
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
        verdicts = [(state, _look_by_model(state, routing, inventory, policy, reviews)) for state in walking]
        rejected = [state for state, verdict in verdicts if verdict is not None and verdict.status is Status.REJECTED]
        good = [state for state, verdict in verdicts if verdict is not None and verdict.status is Status.ACCEPTED]
        rejected += compare_good(kept, good, policy, reviews)
        accepted = [state for state in good if not state.reasons]
        kept += accepted
        for state in accepted:
            state.is_accepted = True
            _stand_accepted(state, inventory, policy)
        walking = [
            state for state in rejected if take_next_best(state) or _goes_on(state, routing, inventory, policy, reviews)
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
        state.past += [one.as_past(one.reasons or no_quota) for one in ended]
        state.attempt += bool(ended)
        _go_to_next_model(state, request)
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
        state.open_candidates = [rival for rival in open_ones if rival.stage in OPEN]
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
        return _look_missing(state, inventory, policy)
    known = inventory.measured(state.raw)
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


def _look_missing(state: State, inventory: Inventory, policy: Policy) -> Verdict | None:
    history = inventory.journal.keys.get(state.key)
    last = None if history is None else history.last
    if history is not None and history.code == NOT_FETCHED and history.call in inventory.kept:
        state.stage = Stage.KEPT
        state.reasons = (Reason(VerdictCode.UNREADABLE, history.message),)
        return None
    if history is not None and last in REJECTED_BY_CALL:
        code = REJECTED_BY_CALL[last]
        state.reasons = (Reason(code, history.message or code.words),)
        if last is Outcome.REFUSED:
            state.stage = Stage.REFUSED
        return Verdict(Status.REJECTED, state.reasons)
    if history is not None and last is Outcome.UNKNOWN and policy.hold_unknown:
        state.stage = Stage.HELD
        state.reasons = (Reason.of(VerdictCode.UNKNOWN, calls=history.unknown),)
        return None
    if flags := _flags(state, inventory, policy):
        state.stage, state.reasons = Stage.REFUSED, (Reason(VerdictCode.REFUSED, flags),)
        return Verdict(Status.REJECTED, state.reasons)
    state.stage, state.why = Stage.GENERATE, _why_generate(state, inventory, policy)
    return None


def _flags(state: State, inventory: Inventory, policy: Policy) -> str | None:
    """Return why a moderation flags the prompt of an image that no provider was asked for; empty if it does not."""
    if not policy.moderates or state.key in inventory.submission_of or state.key in inventory.in_queues:
        return None
    return inventory.answers.flags(policy.moderates, state.recipe.prompt)


def _why_generate(  # noqa: PLR0911  one line per reason, in the order in which they decide
    state: State, inventory: Inventory, policy: Policy
) -> Why:
    if state.key in inventory.submission_of:
        return RebuildReason.IN_A_BATCH.because()
    if state.key in inventory.in_queues:
        return RebuildReason.IN_A_QUEUE.because()
    if state.instead_of and state.attempt == state.by_model_from:
        return RebuildReason.NO_QUOTA.because(model=state.instead_of)
    if state.by_model_from and state.attempt == state.by_model_from:
        if is_refused(state.past[-1]):
            return RebuildReason.REFUSED_BY.because(model=state.past[-1].recipe.model)
        return RebuildReason.NEXT_MODEL.because(dict.fromkeys(state.failed_for), number=state.attempt + 1)
    if state.past:
        reason = REASON_OF.get(state.made_by, RebuildReason.NEXT_ATTEMPT)
        reason = RebuildReason.NOT_REWRITTEN if state.note else reason
        return reason.because(dict.fromkeys(state.failed_for), number=state.attempt + 1, fault=state.note)
    if state.key in inventory.damaged:
        return RebuildReason.DAMAGED.because()
    journal = inventory.journal
    last, has_candidates = journal.last_recipe.get(state.request.name), policy.candidate_policy.n > 1
    if any(last == route.recipe.as_dict() for route in state.request.routes if route.recipe != state.recipe):
        return RebuildReason.FAILED_BEFORE.because()
    return why_generate(state.recipe, journal.keys.get(state.key), last, has_candidates=has_candidates)


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


def _changes_prompt(state: State, policy: Policy) -> bool:
    """Return whether the reasons of the current attempt add a patch to the prompt of the next one."""
    before, now = state.patched_for, [reason.code for reason in state.reasons]
    return patches_for([*before, *now], policy.patches) != patches_for(before, policy.patches)


def _goes_on(  # noqa: PLR0911  one line per end
    state: State, routing: Routing, inventory: Inventory, policy: Policy, reviews: Mapping[str, Review]
) -> bool:
    """Move a rejected request to its next attempt; False where it has none or waits for its prompt."""
    keys = [state.key, *(past.key for past in state.past if past.attempt == state.attempt)]
    decisions = [review for key in keys if (review := reviews.get(key)) is not None]
    asked = next((review for review in decisions if review.decision == "regenerate"), None)
    refused = state.stage is Stage.REFUSED
    other = routing.after_rejection(state) if asked is None else None
    can_repair = asked is None and _can_be_repaired(state, policy)
    remedy = policy.attempts.remedy(state.reasons[0].code, can_repair=can_repair, has_next=other is not None)
    if other is not None and (refused or remedy is Remedy.NEXT_MODEL):
        _leave_attempt(state)
        _go_to_next_model(state, other)
        return True
    if remedy is Remedy.PERSON and not decisions and state.raw is not None:
        state.stage = Stage.REVIEW
        return False
    last_one = state.attempt - state.by_model_from + 1 >= policy.most_attempts
    rewrites = remedy is Remedy.REWRITE and asked is None
    # A refused prompt would be refused again, so only other words help. A reviewer who asks for another image gets it,
    # however many attempts there were.
    has_words = rewrites or bool(patches_for([VerdictCode.REFUSED], policy.patches))
    if asked is None and (last_one or (refused and not has_words)):
        if not refused:
            state.stage = Stage.REJECTED
        return False
    written = Rewritten()
    if rewrites:
        found = rewritten(state, inventory, policy)
        if found is None:
            return False
        written = found
    is_same = remedy is Remedy.REGENERATE or not (remedy is Remedy.REPAIR or _changes_prompt(state, policy))
    stays = is_same and not written.prompt
    if asked is None and stays and (policy.ignores_seed(state.recipe) or (refused and rewrites)):
        state.stage = Stage.REJECTED  # another attempt would be the same bytes
        return False
    if remedy is Remedy.REPAIR:
        _repair(state, inventory, policy)
        return True
    made_by, prompt = str(remedy), written.prompt
    if asked is not None:
        made_by, prompt = BY_REVIEWER, edited_prompt(state.prompt, asked)
    elif remedy is Remedy.REGENERATE:
        prompt = _anew(state, policy).prompt
    _leave_attempt(state)
    state.made_by, state.note = made_by if prompt else str(Remedy.PATCH), written.fault
    if prompt:
        state.asked_at, state.asked = len(state.past), replace(state.request.recipe, prompt=prompt)
    _begin_attempt(state, _anew(state, policy))
    return True


def _anew(state: State, policy: Policy) -> Recipe:
    """Return the recipe of the current attempt as one that makes the image anew: another seed, and all patches."""
    first, patches = state.request.recipe, policy.patches
    if state.asked is not None:
        first = state.asked
        patches = {code: text for code, text in patches.items() if text not in first.prompt}
    return recipe_of_attempt(first, state.attempt - state.by_model_from, state.patched_for, patches)


def _can_be_repaired(state: State, policy: Policy) -> bool:
    """Return whether the rejected image can be sent back: a repair of a repair would only drift away."""
    has_file = state.raw is not None and state.raw.extension in SENT and state.stage is not Stage.REFUSED
    return has_file and state.repaired is None and policy.can_repair(state)


def _repair(state: State, inventory: Inventory, policy: Policy) -> None:
    """Begin the attempt that changes the rejected image as its reason's instruction says."""
    image = state.raw
    assert image is not None
    reasons = [reason for reason in state.reasons if policy.attempts.instruction(reason.code)]
    given = dict.fromkeys(policy.attempts.instruction(reason.code) for reason in reasons)
    values = state.request.variables
    instruction = " ".join(parse_template(text).render(values).strip() for text in given)
    mask = mask_of_repair(state, reasons, inventory, policy)
    _leave_attempt(state)
    state.made_by, state.note = str(Remedy.REPAIR), ""
    number, first = state.attempt - state.by_model_from, state.asked or state.request.recipe
    _begin_attempt(state, recipe_of_repair(first, number, instruction, image.digest, mask.digest if mask else None))
    state.repaired, state.mask = image, mask


def _go_to_next_model(state: State, request: Request) -> None:
    """Begin again with another model, by the request's own prompt or the one that a reviewer wrote."""
    state.request, state.by_model_from, state.asked_at = request, state.attempt, len(state.past)
    state.made_by, state.note = str(Remedy.NEXT_MODEL), ""
    if state.asked is not None:
        state.asked = replace(request.recipe, prompt=state.asked.prompt)
    _begin_attempt(state, state.asked or request.recipe)


def _leave_attempt(state: State) -> None:
    state.past.append(state.as_past())
    state.attempt += 1


def _begin_attempt(state: State, recipe: Recipe) -> None:
    state.recipe, state.key = recipe, recipe.key()
    state.stage, state.raw, state.measured, state.reasons = Stage.GENERATE, None, {}, ()
    state.questions, state.repaired, state.mask, state.by_person = (), None, None, False
    state.candidate, state.is_chosen, state.open_candidates, state.instead_of = 0, False, [], ""
