"""What follows a rejected attempt: another one, by another seed, prompt, repair, or model, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from imagemake.config.attempts import Remedy
from imagemake.config.placeholders import parse_template
from imagemake.config.verdict_codes import VerdictCode
from imagemake.plan.attempts import edited_prompt, patches_for, recipe_of_attempt, recipe_of_repair
from imagemake.plan.parents import SENT
from imagemake.plan.repair_masks import mask_of_repair
from imagemake.plan.rewriting import rewritten
from imagemake.plan.routing import Routing
from imagemake.plan.state import Policy, Stage, State
from imagemake.stages.rewrite.rejection import Rewritten

if TYPE_CHECKING:
    from imagemake.core.recipe import Recipe
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.requests.request import Request
    from imagemake.plan.reviews import Review

BY_REVIEWER = "review"


def _changes_prompt(state: State, policy: Policy) -> bool:
    """Return whether the reasons of the current attempt add a patch to the prompt of the next one."""
    before, now = state.patched_for, [reason.code for reason in state.reasons]
    return patches_for([*before, *now], policy.patches) != patches_for(before, policy.patches)


def goes_on(  # noqa: PLR0911  one line per end
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
        go_to_next_model(state, other)
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


def go_to_next_model(state: State, request: Request) -> None:
    """Begin again with another model, by the request's own prompt or the one that a reviewer wrote."""
    state.request, state.by_model_from, state.asked_at = request, state.attempt, len(state.past)
    state.made_by, state.note = str(Remedy.NEXT_MODEL), ""
    if state.asked is not None:
        state.asked = replace(request.recipe, prompt=state.asked.prompt)
    _begin_attempt(state, state.asked or request.recipe)


def _leave_attempt(state: State) -> None:
    state.past += (state.as_past(),)
    state.attempt += 1


def _begin_attempt(state: State, recipe: Recipe) -> None:
    state.recipe, state.key = recipe, recipe.key()
    state.stage, state.raw, state.measured, state.reasons = Stage.GENERATE, None, {}, ()
    state.questions, state.repaired, state.mask, state.by_person = (), None, None, False
    state.candidate, state.is_chosen, state.open_candidates, state.instead_of = 0, False, (), ""
