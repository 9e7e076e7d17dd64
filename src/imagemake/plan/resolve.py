"""Where each request stands: one function over what there is, asked before a run, between its rounds and at its end.

A request walks through its attempts: the first one whose image is missing, unmeasured, good, doubtful or the last is
where it stands. Near-duplicates are decided attempt by attempt over all requests: of a pair, what a person approved
stays, then the earlier attempt, then the name that sorts first. Colors are compared with the images of the group that
are good so far.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagemake.config.fields import MAIN
from imagemake.config.similarity import CONSISTENCY
from imagemake.core.recipe import Recipe
from imagemake.plan.across import near_duplicates, odd_colors, repeats
from imagemake.plan.attempts import edited_prompt, patches_for, recipe_of_attempt
from imagemake.plan.candidates import NOT_BEST, CandidatePolicy, ranked
from imagemake.plan.state import IN_A_BATCH, OPEN, Past, Policy, Stage, State
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.text_match import measure_of, texts_to_match
from imagemake.stages.validate.verdict import (
    ACCEPTED,
    UNDECODABLE,
    Reason,
    Status,
    Verdict,
    flat,
    judge,
    of_measures,
    still_to_measure,
)
from imagemake.store.items import Measured, of_output
from imagemake.store.journal import Outcome

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.requests.request import Request
    from imagemake.plan.reviews import Review

NEAR_DUPLICATE = "near_duplicate"
REVIEW_CODES = {"reject": "review", "regenerate": "regenerate"}


def resolve(
    requests: Iterable[Request], inventory: Inventory, policy: Policy, reviews: Mapping[str, Review]
) -> list[State]:
    """Say where each request stands.

    Args:
        requests: With unique names.
        inventory: What there is.
        policy: What the campaign asks for.
        reviews: What people decided, by key.

    Returns:
        One state a request, in their order.
    """
    states = [State(request, request.recipe, request.recipe.key()) for request in requests]
    walking = states
    kept: list[State] = []
    while walking:
        verdicts = [(state, _look_at_all(state, inventory, policy, reviews)) for state in walking]
        good = [state for state, verdict in verdicts if verdict is not None and verdict.status is Status.ACCEPTED]
        losers = repeats(good, policy, reviews)
        new = [state for state in good if state.request.name not in losers]
        losers |= near_duplicates(kept, new, policy, reviews)
        odd = odd_colors(kept, [state for state in new if state.request.name not in losers], policy, reviews)
        rejected = [state for state, verdict in verdicts if verdict is not None and verdict.status is Status.REJECTED]
        for state in good:
            name = state.request.name
            if name in losers:
                state.reasons = (Reason(NEAR_DUPLICATE, f"nearly the same image as {losers[name]}"),)
                rejected.append(state)
            elif name in odd:
                state.reasons = (Reason(CONSISTENCY, odd[name]),)
                if policy.consistency is not None and policy.consistency.outcome == "reject":
                    rejected.append(state)
                else:
                    state.stage = Stage.REVIEW
            else:
                kept.append(state)
                _stand_accepted(state, inventory, policy)
        walking = [state for state in rejected if _is_replaced(state) or _goes_on(state, policy, reviews)]
    return states


def _look_at_all(state: State, inventory: Inventory, policy: Policy, reviews: Mapping[str, Review]) -> Verdict | None:
    """Look at the current attempt's candidates, and go on with the best one; see `_look`."""
    if policy.candidate_policy.n == 1:
        return _look(state, inventory, policy, reviews)
    if state.is_chosen:  # in the place of one that is nearly another request's image
        return ACCEPTED
    rivals = [
        replace(state, recipe=recipe, key=recipe.key(), candidate=place)
        for place, recipe in enumerate(policy.candidate_policy.recipes(state.recipe))
    ]
    verdicts = [_look(rival, inventory, policy, reviews) for rival in rivals]
    open_ones = [rival for rival, verdict in zip(rivals, verdicts, strict=True) if verdict is None]
    if open_ones:
        state.open_candidates = [rival for rival in open_ones if rival.stage in OPEN]
        _become(state, (state.open_candidates or open_ones)[0])
        return None
    judged = [(rival, verdict) for rival, verdict in zip(rivals, verdicts, strict=True) if verdict is not None]
    return _go_on_with_best(state, judged, policy.candidate_policy, reviews)


def _go_on_with_best(
    state: State,
    judged: Sequence[tuple[State, Verdict]],
    candidate_policy: CandidatePolicy,
    reviews: Mapping[str, Review],
) -> Verdict:
    for wanted in (Status.ACCEPTED, Status.REVIEW, Status.REJECTED):
        group = [rival for rival, verdict in judged if verdict.status is wanted]
        if group:
            break
    scores = [candidate_policy.score(flat(rival.measured)) for rival in group]
    approved = [(review := reviews.get(rival.key)) is not None and review.decision == "approve" for rival in group]
    # Of rejected ones, the first stands for all: what a person asked for may be about any of them.
    order = range(len(group)) if wanted is Status.REJECTED else ranked(zip(approved, scores, strict=True))
    best, *others = [group[place] for place in order]
    told = {group[place].key: f"scores {scores[place]:.4g}, the best one {scores[order[0]]:.4g}" for place in order}
    for rival, _ in judged:
        if rival is not best:
            lost = (Reason(NOT_BEST, told[rival.key]),) if rival in others and wanted is Status.ACCEPTED else ()
            state.past.append(Past(rival.attempt, rival.recipe, rival.key, rival.raw, lost or rival.reasons))
    _become(state, best)
    state.next_best = others if wanted is Status.ACCEPTED else []
    return next(verdict for rival, verdict in judged if rival is best)


def _become(state: State, rival: State) -> None:
    """Let a request stand where one of its candidates stands."""
    for name in ("recipe", "key", "stage", "why", "raw", "measured", "reasons", "candidate", "review"):
        setattr(state, name, getattr(rival, name))


def _is_replaced(state: State) -> bool:
    """Put the next best candidate in the place of one that is nearly another request's image, if there is one."""
    if not state.next_best:
        return False
    state.past = [past for past in state.past if past.key != state.next_best[0].key]
    state.past.append(Past(state.attempt, state.recipe, state.key, state.raw, state.reasons))
    best, *state.next_best = state.next_best
    _become(state, best)
    state.is_chosen = True
    return True


def _look(state: State, inventory: Inventory, policy: Policy, reviews: Mapping[str, Review]) -> Verdict | None:
    """Look at the current attempt; None where no verdict can be given yet, and the stage says what is missing."""
    state.raw = inventory.raw.get(state.key)
    state.review = review = reviews.get(state.key)
    if state.raw is None and review is not None and review.decision != "approve":
        verdict = _with_review(ACCEPTED, review)  # what a person does not want is not bought again
        state.reasons = verdict.reasons
        return verdict
    if state.raw is None:
        return _look_missing(state, inventory, policy)
    known = inventory.measured(state.raw)
    request = state.request
    checks = policy.checks.of(request.variables, request.model or state.recipe.model)
    wanted = Expected(state.recipe.prompt, request.variables)
    needed = [*policy.measures, *texts_to_match(policy.measures, checks, wanted)]
    state.measured = of_measures(needed, known)
    missing = still_to_measure(needed, state.measured)
    if missing:
        state.stage, state.why = Stage.VALIDATE, _why_validate(missing, known)
        return None
    verdict = judge(
        values_of(state.measured, checks, wanted),
        state.recipe.parameters,
        checks,
        formats=policy.formats,
        size_as_requested=policy.size_as_requested,
    )
    verdict = _with_review(verdict, review)
    state.reasons = verdict.reasons
    if verdict.status is Status.REVIEW:
        state.stage = Stage.REVIEW
    return verdict


def _with_review(verdict: Verdict, review: Review | None) -> Verdict:
    if review is None:
        return verdict
    if review.decision == "approve":
        undecodable = verdict.reasons and verdict.reasons[0].code == UNDECODABLE
        return verdict if undecodable else ACCEPTED
    words = "rejected by a person" if review.decision == "reject" else "a person asked for another one"
    return Verdict(Status.REJECTED, (Reason(REVIEW_CODES[review.decision], review.note or words),))


def _look_missing(state: State, inventory: Inventory, policy: Policy) -> Verdict | None:
    history = inventory.journal.keys.get(state.key)
    if history is not None and history.last is Outcome.REFUSED:
        state.stage, state.reasons = Stage.REFUSED, (Reason("refused", history.message),)
        return Verdict(Status.REJECTED, state.reasons)
    if history is not None and history.last is Outcome.UNREADABLE:
        state.reasons = (Reason("unreadable", history.message),)
        return Verdict(Status.REJECTED, state.reasons)
    if history is not None and history.last is Outcome.UNKNOWN and policy.hold_unknown:
        state.stage = Stage.HELD
        state.reasons = (Reason("unknown", f"{history.unknown} calls without an answer, possibly billed"),)
        return None
    why = (
        IN_A_BATCH if state.key in inventory.submission_of else _why_generate(state, inventory, policy.candidate_policy)
    )
    state.stage, state.why = Stage.GENERATE, why
    return None


def _why_generate(state: State, inventory: Inventory, candidate_policy: CandidatePolicy) -> str:
    if state.past:
        return f"attempt {state.attempt + 1}: {', '.join(dict.fromkeys(state.failed_for))}"
    if state.key in inventory.damaged:
        return "damaged in the store"
    history = inventory.journal.keys.get(state.key)
    if history is not None:
        if history.was_made:
            return "missing from the store"
        lost = history.last in (Outcome.UNKNOWN, Outcome.WAITING)  # its submission's file was taken away by somebody
        return "call without an answer" if lost else "failed before"
    return _why_changed(state.recipe, inventory.journal.last_recipe.get(state.request.name), candidate_policy)


def _why_changed(recipe: Recipe, last: Mapping[str, Any] | None, candidate_policy: CandidatePolicy) -> str:
    if last is None:
        return "new"
    now = recipe.as_dict()
    changed = [name for name in sorted({*last, *now}) if last.get(name) != now.get(name)]
    if candidate_policy.n > 1 and "seed" in changed:  # the last one sent was another candidate
        changed.remove("seed")
    return f"key changed: {', '.join(changed)}" if changed else "candidate added"


def _why_validate(missing: Sequence[str], measured: Measured) -> str:
    if not measured:
        return "never measured"
    known = {identity.partition("@")[0] for identity in measured}
    names = dict.fromkeys(identity.partition("@")[0] for identity in missing)
    added = [name for name in names if name not in known]
    if added:
        return f"check added: {', '.join(added)}"
    is_text = all(measure_of(identity) in measured for identity in missing)
    return f"{'text' if is_text else 'measure'} changed: {', '.join(names)}"


def _stand_accepted(state: State, inventory: Inventory, policy: Policy) -> None:
    assert state.raw is not None
    keys = policy.output_keys(state.raw.digest)
    state.output_key = keys[MAIN]
    files = {output: stored for output, key in keys.items() if (stored := inventory.finished.get(key)) is not None}
    missing = [output for output in keys if output not in files]
    failed = next((output for output in missing if keys[output] in inventory.unfinishable), None)
    if not missing:
        state.stage, state.finished = Stage.DONE, files.pop(MAIN)
        state.further = files
    elif failed is not None:
        failure = of_output(failed, inventory.unfinishable[keys[failed]])
        state.stage, state.reasons = Stage.REJECTED, (Reason(failure.reason, failure.message),)
    else:
        state.stage = Stage.POSTPROCESS
        state.why = _why_finish(missing, inventory.once_finished.get(state.raw.digest, set()), some=bool(files))


def _why_finish(missing: Sequence[str], known: Collection[str], *, some: bool) -> str:
    """Say why outputs are missing.

    Args:
        missing: Their labels.
        known: Those that the image was finished for before.
        some: Whether others are there.
    """
    if not some:
        return "post-processing changed" if known else "not finished yet"
    if not known:
        return f"not finished yet: {', '.join(missing)}"
    changed, added = [one for one in missing if one in known], [one for one in missing if one not in known]
    words = (("post-processing changed", changed), ("output added", added))
    return ", ".join(f"{what}: {', '.join(labels)}" for what, labels in words if labels)


def _goes_on(state: State, policy: Policy, reviews: Mapping[str, Review]) -> bool:
    """Move a rejected request to its next attempt, if it has one; its last stage stands otherwise."""
    keys = [state.key, *(past.key for past in state.past if past.attempt == state.attempt)]
    decisions = [review for key in keys if (review := reviews.get(key)) is not None]
    asked = next((review for review in decisions if review.decision == "regenerate"), None)
    last_one = state.attempt + 1 >= policy.most_attempts
    refused = state.stage is Stage.REFUSED
    # The same prompt would be refused again: only a patch can help. Who asks gets one more, however many there were.
    if asked is None and (last_one or (refused and not patches_for(["refused"], policy.patches))):
        if not refused:
            state.stage = Stage.REJECTED
        return False
    state.past.append(Past(state.attempt, state.recipe, state.key, state.raw, state.reasons))
    state.attempt += 1
    if asked is not None:
        state.asked_at = len(state.past)
        state.asked = replace(state.request.recipe, prompt=edited_prompt(state.recipe.prompt, asked))
    first, patches = state.request.recipe, policy.patches
    if state.asked is not None:
        first = state.asked
        patches = {code: text for code, text in patches.items() if text not in first.prompt}
    state.recipe = recipe_of_attempt(first, state.attempt, state.patched_for, patches)
    state.key = state.recipe.key()
    state.stage, state.raw, state.measured, state.reasons = Stage.GENERATE, None, {}, ()
    state.candidate, state.is_chosen = 0, False
    return True
