"""How fast the images of a model can arrive."""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import dataclass

from imagemake.config.campaign import Campaign
from imagemake.config.several_models import settings_of
from imagemake.core.gpus import cards
from imagemake.plugins.providers import provider_class


@dataclass(frozen=True, slots=True)
class Pace:
    """The rate at which a model can generate images.

    Attributes:
        at_once: Most calls in flight, for all models in the pool together.
        images_per_min: Most images per minute, for all models in the lane together; None without a limit.
        pool: Identifies the models that share `at_once`.
        lane: Identifies the models that share `images_per_min`.
    """

    at_once: int
    images_per_min: float | None = None
    pool: Hashable = None
    lane: Hashable = None


def pace_of(label: str, campaign: Campaign, n_images: int) -> Pace | None:
    """Return the pace of a model; None in batches, where the provider decides when images arrive.

    Args:
        label: The model.
        campaign: The campaign.
        n_images: How many images the full run will request from it.
    """
    settings = settings_of(label, campaign)
    if settings.in_batches(can_wait=n_images >= settings.batch_from):
        return None
    if settings.local_device:
        n_jobs = len(cards()) if settings.local_device == "gpu" else 1
        return Pace(max(1, n_jobs), pool=settings.local_device)
    if not provider_class(settings.provider).paid:
        return Pace(os.cpu_count() or 1, pool="cores")
    rates = settings.rates or campaign.limits
    per_min = [rate for rate in (rates.images_per_min, rates.requests_per_min) if rate is not None]
    # The limit on calls in flight applies to the run; rates apply to a server, or to a model with its own rates.
    lane = (settings.connects_to.lane, settings.name if settings.rates else None)
    return Pace(campaign.limits.in_flight, min(per_min, default=None), pool="in_flight", lane=lane)
