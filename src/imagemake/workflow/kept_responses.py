"""Before a run is planned, read responses again that were paid for and could not be read or fetched before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from imagemake.config.models import load_models
from imagemake.core.text import counted
from imagemake.plugins.providers import ProviderError
from imagemake.stages.generate.kept_answers import KeptAnswer, kept_answers, read_kept, to_wait_for

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.store.store import Store

GIVE_UP = (
    "If that server is gone for good, see what other attempts cost, and run it without -n to pay for them:\n"
    "    snakemake -n --config 'limits={unfetched: retry}'"
)
LONGEST_S = 60.0  # for one image: a plan cannot wait as long as a job


def read_kept_responses(campaign: Campaign, store: Store) -> list[str]:
    """Put the images of kept responses into the store, as far as they can be read now.

    Args:
        campaign: Its models say which servers are known; responses of others stay.
        store: The store.

    Returns:
        Lines for people.
    """
    kept = kept_answers(store)
    if not kept:
        return []
    with ThreadPoolExecutor(1) as thread:  # Snakemake's own event loop runs in this one
        found = thread.submit(asyncio.run, _read_all(kept, campaign, store)).result()
    n_found = sum(error is None for error in found.values())
    lines = [f"  {counted(n_found, 'image')} found in responses that were kept; no call was needed."] if n_found else []
    waiting = to_wait_for(found)
    lines += [f"  Warning: {reason}" for reason in sorted({failure.message for failure in waiting.values()})]
    if waiting and campaign.limits.unfetched == "wait":
        return [*lines, f"  {GIVE_UP}"]
    for one in kept:
        if one.key in waiting:
            store.give_up_unreadable(one.call.sent["call"])
    return lines


def kept_words(store: Store) -> list[str]:
    """Return what a dry run says of kept responses."""
    n = len(kept_answers(store))
    words = f"  {counted(n, 'response')} in {store.root}/unreadable: a run reads what was paid for again first."
    return [words] if n else []


async def _read_all(kept: Sequence[KeptAnswer], campaign: Campaign, store: Store) -> dict[str, ProviderError | None]:
    table = load_models(campaign.models)
    servers = {(one.provider, one.endpoint): one for one in (campaign.model, *campaign.more_models.values())}
    found: dict[str, ProviderError | None] = {}
    for (name, endpoint), settings in servers.items():
        of_server = [one for one in kept if one.server == (name, endpoint)]
        if not of_server:
            continue
        timeout_s = min(LONGEST_S, campaign.limits.timeout_s)
        try:
            provider = settings.connects_to.start(timeout_s, table)
        except ProviderError:  # such as a missing key: the plan tells it
            continue
        try:
            found |= await read_kept(of_server, provider, store, partial(settings.connects_to.model, table=table))
        finally:
            await provider.close()
    return found
