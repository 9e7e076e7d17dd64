"""Which pictures can share a job: those that are asked for in the same way.

Models that are called one by one share jobs, so that one whose limit is drained leaves the time to the others. A batch
of the provider is of one model, and takes up to a day: it has jobs of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from imagemake.providers import provider_class
from imagemake.wanted.model_settings import ModelSettings, settings_of

if TYPE_CHECKING:
    from imagemake.wanted.campaign import Campaign


class Door(NamedTuple):
    """How pictures are asked for.

    Attributes:
        in_batches: Whether through the provider's Batch API.
        paid: Whether calls cost money; a job that makes no paid calls draws, and needs a core.
        one_model: What a provider's batch is for: provider, address, model; empty where models share jobs.
    """

    in_batches: bool
    paid: bool
    one_model: tuple[str | None, ...] = ()


def door_of(settings: ModelSettings) -> Door:
    """Return how the pictures of a model are asked for."""
    in_batches = settings.mode == "batch"
    paid = provider_class(settings.provider).paid
    return Door(in_batches, paid, (*settings.server, settings.name) if in_batches else ())


def door_of_batch(path: Path, campaign: Campaign) -> tuple[Door, int]:
    """Return how the pictures of a batch are asked for, and how many there are.

    Args:
        path: The batch's table, as it was planned.
        campaign: What it was planned by.
    """
    with path.open("rb") as lines:
        first = orjson.loads(next(lines))
        n_items = 1 + sum(1 for _ in lines)
    return door_of(settings_of(first.get("model") or first["recipe"]["model"], campaign)), n_items
