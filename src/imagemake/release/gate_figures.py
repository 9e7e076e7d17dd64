"""The figures of a stage that gates are about, before anything is released."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagemake.plan.gates import AWAITING_APPROVAL
from imagemake.plan.parents import waits_for_person
from imagemake.plan.state import Stage
from imagemake.release.manifest.entries import Entries
from imagemake.release.metrics.metrics import metrics_of

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.target import Target


def figures_of_stage(stage: str, target: Target, inventory: Inventory) -> Mapping[str, Any]:
    """Return a stage's metrics, based on what is in the store now, and how many images wait for reviews.

    Args:
        stage: ``pilot``, ``small``, or ``all``.
        target: Any target of the campaign, with all of its rows.
        inventory: What exists.
    """
    # A gate applies to the whole stage: `only` narrows a run, not its gate.
    campaign = target.campaign.model_copy(update={"only": ()})
    whole = replace(target, campaign=campaign, scope=stage, made_at="")
    states = whole.states(inventory)
    of_state = Entries(whole, inventory.store, (), states)
    metrics = metrics_of(map(of_state.entry, states), of_state.asked, of_state.rewrites)
    awaiting = sum(state.stage is Stage.WAITING and waits_for_person(state) for state in states)
    return {**metrics, AWAITING_APPROVAL: awaiting}
