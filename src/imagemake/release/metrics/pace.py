"""How fast the images of a model can arrive."""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import dataclass

from imagemake.config.campaign import Campaign
from imagemake.config.model import settings_of
from imagemake.plugins.providers import provider_class


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the images of a model can come.

    Attributes:
        at_once: Calls at once, of all models that share them.
        images_per_min: Most images a minute, of all models that share the rate; None where nothing holds them back.
        pool: Names what `at_once` is shared in.
        lane: Names what `images_per_min` is shared in.
    """

    at_once: int
    images_per_min: float | None = None
    pool: Hashable = None
    lane: Hashable = None


def pace_of(label: str, campaign: Campaign) -> Pace | None:
    """Return how fast images of a model can come; None for those that come in batches, when the provider likes."""
    settings = settings_of(label, campaign)
    if settings.mode == "batch":
        return None
    if not provider_class(settings.provider).paid:
        return Pace(os.cpu_count() or 1, pool="cores")
    rates = settings.rates or campaign.limits
    per_min = [rate for rate in (rates.images_per_min, rates.requests_per_min) if rate is not None]
    # Calls in flight are those of a run; rates are those of a server, or of a model that has its own.
    lane = (settings.server, settings.name if settings.rates else None)
    return Pace(campaign.limits.in_flight, min(per_min, default=None), pool="in_flight", lane=lane)
