"""Prompts that a moderation is asked about before their images are paid for: which are left, and which are flagged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from imagemake.config.models import asked_usd, load_models
from imagemake.core.text import counted
from imagemake.plan.estimate import Estimate
from imagemake.plan.state import Stage, State
from imagemake.stages.judge.calls import calls_to_moderate

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.inventory import Inventory

MOST_SHOWN = 5


def unmoderated(to_make: Sequence[State], campaign: Campaign, inventory: Inventory) -> list[str]:
    """Return the prompts that nobody asked the moderation about, each once.

    Args:
        to_make: What the run makes, also what waits for other images: those are paid for first.
        campaign: The campaign.
        inventory: Has what the moderation said.
    """
    asker = campaign.prompts.asker
    if asker is None:
        return []
    to_pay = (state for state in to_make if state.stage in (Stage.GENERATE, Stage.WAITING) and not state.is_submitted)
    prompts = dict.fromkeys(state.recipe.prompt for state in to_pay)
    return [prompt for prompt in prompts if inventory.answers.flags(asker.identity, prompt) is None]


def moderation_lines(
    states: Sequence[State], to_make: Sequence[State], campaign: Campaign, inventory: Inventory
) -> Iterator[str]:
    """Yield lines about prompts that are flagged, and about those that are still to be moderated.

    Args:
        states: Where the requests stand.
        to_make: The attempts that this run works on, and what waits for them.
        campaign: The campaign.
        inventory: Has what the moderation said.
    """
    asker = campaign.prompts.asker
    if asker is None:
        return
    refused = [state for state in states if state.stage in (Stage.REFUSED, Stage.WAITING)]
    flags = {state.request.name: inventory.answers.flags(asker.identity, state.recipe.prompt) for state in refused}
    flagged = {name: words for name, words in flags.items() if words}
    if flagged:
        yield f"  {counted(len(flagged), 'prompt')} of these flagged by the moderation, before anything was paid for:"
        yield from (f"    {name}: {words}" for name, words in list(flagged.items())[:MOST_SHOWN])
    left = unmoderated(to_make, campaign, inventory)
    if left:
        calls, table = list(calls_to_moderate(left, asker)), load_models(campaign.models)
        costs = [asked_usd(table.of(call.item.recipe), call.item.recipe) for call in calls]
        cost = Estimate(len(calls), sum(usd or 0.0 for usd in costs), unknown=costs.count(None))
        first = f"the run asks {asker.model.name} about them first"
        yield f"  {counted(len(left), 'prompt')} not moderated yet: {first}. Cost of that: {cost}."
