"""Where an attempt stands whose image is not in the store: by what the journal says, and by moderation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagemake.config.attempts import Remedy
from imagemake.config.verdict_codes import VerdictCode
from imagemake.plan.reasons import RebuildReason, Why, why_generate
from imagemake.plan.routing import is_refused
from imagemake.plan.state import Policy, Stage, State
from imagemake.plugins.providers import NOT_FETCHED
from imagemake.stages.validate.verdict import Reason, Status, Verdict
from imagemake.store.journal import Outcome

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory

REJECTED_BY_CALL = {Outcome.REFUSED: VerdictCode.REFUSED, Outcome.UNREADABLE: VerdictCode.UNREADABLE}
REASON_OF = {str(Remedy.REWRITE): RebuildReason.REWRITTEN, str(Remedy.REPAIR): RebuildReason.REPAIRED}


def look_missing(state: State, inventory: Inventory, policy: Policy) -> Verdict | None:
    """Return the verdict on an attempt without an image; None if there is none yet, and the stage says what is next."""
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
