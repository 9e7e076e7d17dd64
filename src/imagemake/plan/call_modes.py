"""Which images can share a job: those that are asked for in the same way.

Models that are called one by one share jobs, so that one whose limit is drained leaves the time to the others. A batch
of the provider is of one model, and takes up to a day: it has jobs of its own. So has what waits in one already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from imagemake.config.model import ModelSettings, settings_of
from imagemake.plan.state import IN_A_BATCH
from imagemake.plugins.providers import provider_class
from imagemake.stages.generate.batches.request_file import OF_A_FILE
from imagemake.store.items import Item

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign


class CallMode(NamedTuple):
    """How images are asked for.

    Attributes:
        in_batches: Whether through the provider's Batch API.
        paid: Whether calls cost money; a job that makes no paid calls draws, and needs a core.
        one_model: What a provider's batch is for: provider, address, model; empty where models share jobs.
    """

    in_batches: bool
    paid: bool
    one_model: tuple[str | None, ...] = ()


def door_of(settings: ModelSettings) -> CallMode:
    """Return how the images of a model are asked for."""
    in_batches = settings.mode == "batch"
    paid = provider_class(settings.provider).paid
    return CallMode(in_batches, paid, (*settings.server, settings.name) if in_batches else ())


def call_mode_of_batch(path: Path, campaign: Campaign) -> tuple[CallMode, int]:
    """Return how the images of a batch are asked for, and how many there are.

    Args:
        path: The batch's table, as it was planned.
        campaign: What it was planned by.
    """
    with path.open("rb") as lines:
        first = orjson.loads(next(lines))
        n_items = 1 + sum(1 for _ in lines)
    call_mode = door_of(settings_of(first.get("model") or first["recipe"]["model"], campaign))
    # What waits in a batch is only collected, for as long as that takes: it must hold no call that others could make.
    return call_mode._replace(in_batches=call_mode.in_batches or first["why"] == IN_A_BATCH), n_items


def divide(items: Sequence[Item], campaign: Campaign, submission_of: Mapping[str, str]) -> list[list[Item]]:
    """Divide items into those that can share jobs: asked for in the same way, or waiting in the same submission.

    Args:
        items: What is to be generated.
        campaign: What says how it is asked for.
        submission_of: The open submission that a key waits in.
    """
    found: dict[tuple[CallMode, str], list[Item]] = {}
    for item in items:
        call_mode = door_of(settings_of(item.model or item.recipe.model, campaign))
        found.setdefault((call_mode, submission_of.get(item.key, "")), []).append(item)
    return list(found.values())


def job_size(items: Sequence[Item], campaign: Campaign, size: int, submission_of: Mapping[str, str]) -> int:
    """Return how many of some items that can share jobs go into each.

    Args:
        items: As `divide` gives them.
        campaign: Its ``batch_size`` and ``limits.batches_in_flight``.
        size: What is right for items that are asked for one by one.
        submission_of: The open submission that a key waits in.
    """
    if items[0].key in submission_of:
        return len(items)  # a second job would only wait for the first
    if not door_of(settings_of(items[0].model or items[0].recipe.model, campaign)).in_batches:
        return size
    # All of them go at once, unless a file cannot hold so many: each batch may take a day.
    return min(OF_A_FILE.lines, max(campaign.batch_size, -(-len(items) // campaign.limits.batches_in_flight)))
