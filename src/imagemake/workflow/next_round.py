"""Plans the next round: requests that failed and have an attempt left, in new batches."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from imagemake.core.sealed import write_sealed
from imagemake.plan.batches import open_states, write_batches
from imagemake.plan.inventory import Inventory
from imagemake.plan.routing import model_of
from imagemake.plan.state import Stage, State
from imagemake.plan.target import Target
from imagemake.plan.waiting import let_wait
from imagemake.store.layout import spending_file
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store


def write_next_round(plan: Path, listing: Path, store: Store, work: Path) -> int:
    """Write the batches of the next round and a list of their names.

    Args:
        plan: Path of the plan.
        listing: Path of the list to write, as JSON.
        store: The store.
        work: The work folder.

    Returns:
        Number of requests in the round.
    """
    target = Target.read(plan)
    inventory = Inventory(store, work)
    states = open_states(target.states(inventory), target.names)
    left_out = SpendTracker(spending_file(work), target.campaign.budget_usd).left_out()
    chosen = [state for state in states if state.key not in left_out and _continues(state, inventory, target.made_at)]
    to_buy = [state for state in chosen if state.stage is Stage.GENERATE and not state.is_submitted]
    let_wait(to_buy, target.campaign, target.scope)
    planned_at = datetime.fromisoformat(target.made_at).timestamp()
    batches = write_batches(chosen, target.campaign, inventory, work, planned_at=planned_at)
    write_sealed(listing, {"batches": [batch.id for batch in batches]})
    return len(chosen)


def _continues(state: State, inventory: Inventory, made_at: str) -> bool:
    if state.stage is Stage.POSTPROCESS:  # its job may be running: it waits for its own table only
        return False
    if state.key in inventory.in_queues:  # this run has waited for it
        return False
    journal, history = inventory.journal, inventory.journal.keys.get(state.key)
    is_asked = state.stage is Stage.GENERATE and not state.is_submitted
    if is_asked and journal.used_up_at.get(model_of(state.recipe), "") >= made_at:
        return False
    # This run has already tried as often as the limits allow; the next run tries again.
    return history is None or history.was_made or history.last_at < made_at
