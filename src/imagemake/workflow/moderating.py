"""Ask a moderation about prompts before their images are paid for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.config.asked import PROMPTS
from imagemake.config.models import load_models
from imagemake.core.problems import NotReadyError
from imagemake.core.text import counted
from imagemake.plan.moderating import unmoderated
from imagemake.store.spending import spent_in
from imagemake.store.whole.shared_work import spend_tracker_of

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.state import State


def moderate(to_make: Sequence[State], campaign: Campaign, inventory: Inventory, work: Path, *, begins: bool) -> bool:
    """Ask about the prompts of images to generate that nobody asked about, and return whether there were any.

    Args:
        to_make: The attempts that the run works on, and what waits for them.
        campaign: The campaign.
        inventory: Has what is known, and learns what was said.
        work: Folder of the rates and of the spending that jobs share.
        begins: Whether the run begins, so that nobody keeps its budget yet.

    Raises:
        NotReadyError: If a prompt could not be moderated: nothing is paid for then.
        StoppedError: If no call can succeed until the user acts.
    """
    prompts, asker = unmoderated(to_make, campaign, inventory), campaign.prompts.asker
    if not prompts or asker is None:
        return False
    # What makes calls takes a fifth of the time that planning takes to import, and few campaigns moderate.
    from imagemake.stages.judge.asking import Means, ask_all
    from imagemake.stages.judge.calls import calls_to_moderate

    store = inventory.store
    if begins and campaign.budget_usd.is_limited:
        spent = spent_in(store.journal_folder, campaign.campaign)
        spend_tracker_of(store.root, work, campaign.budget_usd).open(spent)
    table, limits = load_models(campaign.models), campaign.limits
    means = Means(
        campaign.campaign,
        limits,
        campaign.budget_usd,
        table,
        store.root,
        work,
        PROMPTS,
        limits.judge_calls_in_flight,
        in_thread=True,
    )
    asking = partial(ask_all, calls_to_moderate(prompts, asker), {}, means, PROMPTS)
    with ThreadPoolExecutor(1) as thread:  # Snakemake's own event loop runs in this one
        failures = thread.submit(asking).result()
    inventory.forget_answers()
    left = unmoderated(to_make, campaign, inventory)
    if left:
        why = next((failure.message for failure in failures.values()), "no usable answer came")
        what = f"{counted(len(left), 'prompt')} could not be moderated, so nothing is paid for: {why}"
        raise NotReadyError(what, "Run again, or remove prompts.moderate.")
    return True
