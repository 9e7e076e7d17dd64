"""Which images can share a job: those that are requested in the same way.

Models that are called image by image share jobs, so that a model at its rate limit leaves its time to the others. A
batch of the provider holds images of one model and takes up to a day, so it gets its own jobs. Images that already wait
in a batch get their own jobs too. A model that runs in the job itself is loaded once per job, so it gets its own jobs
too: as few as there are cards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import orjson

from imagemake.config.model import ModelSettings
from imagemake.config.several_models import settings_of
from imagemake.plugins.providers import provider_class
from imagemake.store.items import Item
from imagemake.store.tables import lines_of

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.state import State

Called = TypeVar("Called", "State", Item)


class CallMode(NamedTuple):
    """How images are requested.

    Attributes:
        in_batches: Whether to use the provider's Batch API.
        paid: Whether calls cost money. A job without paid calls draws its images itself and needs a core.
        one_model: Provider, address, and model of a provider's batch, or of images that the job itself makes; empty
            where models share jobs.
        local_device: What makes the images in the job itself; it then limits jobs, and not the calls in flight.
    """

    in_batches: bool
    paid: bool
    one_model: tuple[str | None, ...] = ()
    local_device: Literal["gpu", "cpu"] | None = None


def call_mode_of(settings: ModelSettings, *, can_wait: bool = False) -> CallMode:
    """Return how images of a model are requested.

    Args:
        settings: The model.
        can_wait: Whether they can wait, as `plan.waiting` found.
    """
    in_batches = settings.in_batches(can_wait=can_wait)
    device = settings.local_device
    one_model = (*settings.connects_to.lane, settings.name) if in_batches or device else ()
    return CallMode(in_batches, provider_class(settings.provider).paid, one_model, device)


def call_mode_of_batch(path: Path, campaign: Campaign) -> tuple[CallMode, int]:
    """Return how the images of a planned batch are requested, and how many there are.

    Args:
        path: The batch's table.
        campaign: The campaign that it was planned for.

    Raises:
        DamagedStateError: If the table is not as it was written.
    """
    rows = lines_of(path)
    first, n_items = orjson.loads(rows[0]), len(rows)
    settings = settings_of(first.get("model") or first["recipe"]["model"], campaign)
    call_mode = call_mode_of(settings, can_wait=first.get("can_wait", False))
    # A job that collects a batch only waits, so it must not reserve calls that other jobs could make.
    return call_mode._replace(in_batches=call_mode.in_batches or first.get("is_in_batch", False)), n_items


def divide(wanted: Sequence[Called], campaign: Campaign, submission_of: Mapping[str, str]) -> list[list[Called]]:
    """Divide images into groups that can share jobs: requested in the same way, or waiting in the same submission.

    Args:
        wanted: The attempts or items to generate.
        campaign: Has the settings of each model.
        submission_of: The open submission that each key waits in.
    """
    found: dict[tuple[CallMode, str], list[Called]] = {}
    for one in wanted:
        call_mode = call_mode_of(settings_of(one.model or one.recipe.model, campaign), can_wait=one.can_wait)
        found.setdefault((call_mode, submission_of.get(one.key, "")), []).append(one)
    return list(found.values())
