"""Plans the next round: requests that failed and have an attempt left, and those whose parents are accepted now."""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path

from imagemake.core.sealed import require_sealed, write_sealed
from imagemake.plan.batches import open_states, write_batches
from imagemake.plan.inventory import Inventory
from imagemake.plan.parents import raw_of_parents
from imagemake.plan.repair_masks import masks_to_send
from imagemake.plan.routing import model_of
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.recall import recall
from imagemake.plan.settled.settling import settled_part
from imagemake.plan.state import Stage, State
from imagemake.plan.target import Target
from imagemake.plan.waiting import let_wait
from imagemake.store.items import read_table
from imagemake.store.layout import batch_file
from imagemake.store.sent_images import keep_parents
from imagemake.store.store import DamagedError, Store
from imagemake.store.whole.shared_work import shared_work, spend_tracker_of
from imagemake.store.whole.work_files import share_batches
from imagemake.workflow.moderating import moderate
from imagemake.workflow.preflight.models import faults_of_parents


def write_next_round(target: Target, listing: Path, store: Store, work: Path) -> int:
    """Write the batches of the next round and a list of their names.

    Args:
        target: The planned target.
        listing: Path of the list to write, as JSON.
        store: The store.
        work: The work folder.

    Returns:
        Number of requests in the round.
    """
    inventory, states = _open_states(target, store, work)
    left_out = spend_tracker_of(store.root, work, target.campaign.budget_usd).left_out()
    begun = _begun(target, listing, work) if any(map(_may_be_new, states)) else frozenset()
    chosen = [
        state for state in states if state.key not in left_out and _continues(state, inventory, target.made_at, begun)
    ]
    to_buy = [state for state in chosen if state.stage is Stage.GENERATE and not state.is_submitted]
    faults = faults_of_parents(to_buy, target.campaign, target.files.by_path)
    for state in to_buy:
        if fault := faults.get(state.key):
            print(f"imagemake: {state.request.name} is not requested: {fault.what} {fault.remedy}", file=sys.stderr)
    chosen, to_buy = ([one for one in some if one.key not in faults] for some in (chosen, to_buy))
    let_wait(to_buy, target.campaign, target.scope)
    planned_at = datetime.fromisoformat(target.made_at).timestamp()
    batches = write_batches(chosen, target.campaign, inventory, work, planned_at=planned_at)
    place = shared_work()
    if place is not None:
        share_batches(place, work, [batch.id for batch in batches])
    write_sealed(listing, {"batches": [batch.id for batch in batches]})
    return len(chosen)


def _open_states(target: Target, store: Store, work: Path) -> tuple[Inventory, list[State]]:
    """Return what exists and what is open; what the open images are made from is ready to be sent."""
    while True:
        inventory, states = _states(target, store, work)
        try:
            keep_parents(raw_of_parents(states), masks_to_send(states), store)
        except DamagedError as error:  # moved away, so it is open itself now
            print(f"imagemake: {error}", file=sys.stderr)
            continue
        if moderate(states, target.campaign, inventory, work, begins=False):  # attempts have other prompts
            continue
        return inventory, states


def _states(target: Target, store: Store, work: Path) -> tuple[Inventory, list[State]]:
    with suppress(NotRememberedError):
        part = recall(target, store, work) or settled_part(target, Inventory(store, work))
        if part is not None:
            return part.inventory, open_states(part.states(), part.target.names)
    inventory = Inventory(store, work)
    return inventory, open_states(target.states(inventory), target.names)


def _may_be_new(state: State) -> bool:
    """Return whether it may not have been in a batch of this run yet, although an earlier run made the image."""
    return state.stage is Stage.REWRITE or (state.stage in (Stage.POSTPROCESS, Stage.JUDGE) and bool(state.parents))


def _begun(target: Target, listing: Path, work: Path) -> frozenset[str]:
    """Return the keys in all batches of this run so far."""
    run, _, number = listing.stem.rpartition("-")
    earlier = (listing.with_name(f"{run}-{n}{listing.suffix}") for n in range(1, int(number)))
    batches = chain(target.batches, *(require_sealed(path)["batches"] for path in earlier))
    return frozenset(item.key for batch in batches for item in read_table(batch_file(work, batch)))


def _continues(state: State, inventory: Inventory, made_at: str, begun: Collection[str]) -> bool:
    # The job of an image to postprocess may be running: it waits for its own table only. About one that is still to be
    # judged, this run has asked as often as the limits allow.
    if state.stage is Stage.REWRITE:
        return state.key not in begun
    if state.stage in (Stage.POSTPROCESS, Stage.JUDGE):
        return _may_be_new(state) and state.key not in begun
    if state.key in inventory.in_queues:  # this run has waited for it
        return False
    journal, history = inventory.journal, inventory.journal.keys.get(state.key)
    is_asked = state.stage is Stage.GENERATE and not state.is_submitted
    if is_asked and journal.used_up_at.get(model_of(state.recipe), "") >= made_at:
        return False
    # This run has already tried as often as the limits allow; the next run tries again.
    return history is None or history.was_made or history.last_at < made_at
