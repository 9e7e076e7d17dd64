"""Prompts of attempts after a rejection, as a text model writes them: what is known, what a run asks, its cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imagemake.config.asked import Asker
from imagemake.config.models import load_models
from imagemake.config.rewrite import Rewrite
from imagemake.config.verdict_codes import VerdictCode
from imagemake.core.text import counted
from imagemake.plan.judging import cost_of_asking, price_lines
from imagemake.plan.reasons import RebuildReason
from imagemake.plan.state import Policy, Stage, State
from imagemake.stages.rewrite.rejection import Rejection, Rewritten, call_to_rewrite, kept_rewrite, rejection_of
from imagemake.stages.validate.answers import answers_of
from imagemake.stages.validate.verdict import Reason
from imagemake.store.journal import Outcome

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.inventory import Inventory

MOST_SHOWN, MOST_CHARACTERS = 3, 200


def rewritten(state: State, inventory: Inventory, policy: Policy) -> Rewritten | None:
    """Return the prompt for the attempt after a rejected image, or why there is none.

    Where nobody has asked for it yet, return None, and the request stands at the call that asks.
    """
    rewriter = policy.rewriter
    assert rewriter is not None, "a remedy without a section is no valid configuration"
    rejection = _rejection(state, rewriter)
    found = kept_rewrite(inventory.answers.kept, rejection, rewriter)
    if found is None:
        _stand_at_call(state, rejection, rewriter, inventory, hold_unknown=policy.hold_unknown)
    return found


def _rejection(state: State, rewriter: Asker) -> Rejection:
    assert isinstance(rewriter.settings, Rewrite)
    answers = answers_of(state.questions, state.measured)
    values = state.request.variables
    attempt = state.key, state.prompt
    return rejection_of(*attempt, state.reasons, answers, values=values, rewrite=rewriter.settings)


def _stand_at_call(
    state: State, rejection: Rejection, rewriter: Asker, inventory: Inventory, *, hold_unknown: bool
) -> None:
    item = call_to_rewrite(state.request.name, state.attempt, rejection, rewriter).item
    history = inventory.journal.keys.get(item.key)
    if hold_unknown and history is not None and history.last is Outcome.UNKNOWN:
        state.stage, state.reasons = Stage.HELD, (Reason.of(VerdictCode.UNKNOWN, calls=history.unknown),)
        return
    state.stage = Stage.REWRITE
    state.why = RebuildReason.TO_REWRITE.because(dict.fromkeys(reason.code for reason in state.reasons))
    state.open_candidates = (replace(state, recipe=item.recipe, key=item.key, raw=None, measured={}),)


def rewriting_lines(states: Sequence[State], campaign: Campaign, inventory: Inventory) -> Iterator[str]:
    """Yield lines about prompts that a run asks for, and about those that it uses.

    Args:
        states: What the run works on.
        campaign: The campaign.
        inventory: What is in the store and the journal.
    """
    rewrite = campaign.attempts.rewrite
    if rewrite is None:
        return
    asker, table, learned = rewrite.asker(), load_models(campaign.models), inventory.journal.costs
    recipes = [(state.recipe, 1) for state in states if state.stage is Stage.REWRITE]
    if recipes:
        n = counted(len(recipes), "prompt")
        cost = cost_of_asking(recipes, table, learned)
        yield f"  {asker.model.name} rewrites {n} of rejected images: {cost}."
        yield from price_lines(asker, recipes[0][0], table, campaign.budget_usd, cost)
    written = [one for one in states if one.stage is Stage.GENERATE and one.made_by == "rewrite"]
    for state in written[:MOST_SHOWN]:
        yield f"  Rewritten for {state.request.name}: {_short(state.recipe.prompt)}"
    if len(written) > MOST_SHOWN:
        yield f"  {counted(len(written) - MOST_SHOWN, 'more prompt')} rewritten."


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"
