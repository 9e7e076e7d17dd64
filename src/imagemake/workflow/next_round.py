"""Between two rounds: which requests failed and have an attempt left, in new batches."""

from __future__ import annotations

from pathlib import Path

import orjson

from imagemake.core.files import write_whole
from imagemake.plan.batches import open_states, write_batches
from imagemake.plan.inventory import Inventory
from imagemake.plan.state import Stage, State
from imagemake.plan.target import Target
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store


def write_next_round(plan: Path, listing: Path, store: Store, work: Path) -> int:
    """Write the batches of the next round and their listing.

    Args:
        plan: The plan's file.
        listing: Where the batches' names go, as JSON.
        store: What there is.
        work: The folder of tables.

    Returns:
        How many requests go into the round.
    """
    target = Target.read(plan)
    inventory = Inventory(store, work)
    states = open_states(target.states(inventory), target.names)
    left_out = SpendTracker(work / "spending.json", target.campaign.budget_usd).left_out()
    chosen = [state for state in states if state.key not in left_out and _goes_on(state, inventory, target.made_at)]
    batches = write_batches(chosen, target.campaign, inventory, work)
    write_whole(listing, orjson.dumps({"batches": [batch.id for batch in batches]}))
    return len(chosen)


def _goes_on(state: State, inventory: Inventory, made_at: str) -> bool:
    if state.stage is Stage.POSTPROCESS:  # the job that finishes it waits for its own table only, and may be running
        return False
    history = inventory.journal.keys.get(state.key)
    # What this run tried in vain, as often as the limits allow, is left to the next run.
    return history is None or history.was_made or history.last_at < made_at
