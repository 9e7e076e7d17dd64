"""How many images a job gets: by time, if `job_minutes` asks for it and times are known, or else by number."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from imagemake.config.several_models import settings_of
from imagemake.core.gpus import cards
from imagemake.core.text import duration_words
from imagemake.plan.call_times import CallTimes, ModelId
from imagemake.plan.routing import model_of
from imagemake.plan.state import Stage, State
from imagemake.plugins.providers import BatchProvider, provider_class
from imagemake.store.items import Item
from imagemake.store.layout import JUDGED, POSTPROCESSED, REWRITTEN, VALIDATED

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagemake.config.campaign import Campaign

LEAST_PARTS, MOST_PARTS = 4, 8  # with fewer, validation would follow generation late
MINUTE_S = 60
IN_BATCHES = "in batches of the provider"
UNTIMED = "by batch_size, because too little was timed so far for job_minutes"
JOBS_AT_ONCE = 2  # that generate: each has half of the calls in flight

# The jobs of batches, beside those that generate, by the tables that they make. The time of the first must be known.
JOBS_OF: Mapping[Stage, tuple[str, ...]] = {
    Stage.GENERATE: (VALIDATED, JUDGED, POSTPROCESSED),
    Stage.VALIDATE: (VALIDATED, JUDGED, POSTPROCESSED),
    Stage.JUDGE: (JUDGED, POSTPROCESSED),
    Stage.REWRITE: (REWRITTEN,),
    Stage.POSTPROCESS: (POSTPROCESSED,),
}


class JobSize(NamedTuple):
    """How many items a job gets at most, and why so many, in words for a plan."""

    n: int
    why: str


@dataclass(frozen=True)
class JobSizes:
    """How many items a job gets.

    Args:
        campaign: The campaign.
        n_open: Number of items of the run.
        submission_of: The open submission that each key waits in.
        find_calls: Returns how long calls took.
        jobs: Seconds per image of jobs, by the folder of their tables.
    """

    campaign: Campaign
    n_open: int
    submission_of: Mapping[str, str] = field(default_factory=dict)
    find_calls: Callable[[], CallTimes] = CallTimes
    jobs: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def by_number(self) -> int:
        """The size where no time decides."""
        return batch_size(self.n_open, self.campaign.batch_size, parts=parts_here())

    @cached_property
    def _calls(self) -> CallTimes:
        return self.find_calls()

    def of(self, stage: Stage, items: Sequence[State | Item]) -> JobSize:
        """Return how many items go into each job.

        Args:
            stage: The stage that the items start at.
            items: The attempts or items; those to generate are one group that `plan.call_modes.divide` returned.
        """
        if stage is Stage.JUDGE and self.campaign.validation.asked.in_batches:  # all at once: each may take a day
            share = -(-len(items) // self.campaign.limits.batches_in_flight)
            return JobSize(max(self.by_number, share), IN_BATCHES)
        if stage is Stage.GENERATE and (whole := self._size_of_waiting(items)):
            return JobSize(whole, IN_BATCHES)
        if self.campaign.job_minutes is not None and items and (item_s := self._seconds(stage, items)):
            return self._timed(len(items), item_s, MINUTE_S * self.campaign.job_minutes)
        if stage is Stage.GENERATE:
            device = settings_of(items[0].model or items[0].recipe.model, self.campaign).local_device
            n_parts = {"cpu": 1, "gpu": len(cards())}.get(device or "", 0)
            if n_parts:
                return JobSize(batch_size(len(items), self.campaign.batch_size, parts=n_parts), UNTIMED)
        return JobSize(self.by_number, UNTIMED)

    def _seconds(self, stage: Stage, items: Sequence[State | Item]) -> float | None:
        """Return the seconds per item of the slowest job that handles items; None if they are not known."""
        known = [self.jobs[table] for table in JOBS_OF[stage] if table in self.jobs]
        if stage is Stage.GENERATE:
            called_s = self._call_seconds(items)
            return None if called_s is None else max(called_s, *known, 0.0)
        return max(known) if JOBS_OF[stage][0] in self.jobs else None

    def _timed(self, n: int, item_s: float, job_s: float) -> JobSize:
        jobs = n * item_s / job_s
        # One job would leave half of the calls in flight unused.
        n_jobs = max(math.ceil(jobs), JOBS_AT_ONCE if jobs > 1 / JOBS_AT_ONCE else 1)
        size = max(1, min(self.campaign.batch_size, -(-n // n_jobs)))
        is_bounded = size * n_jobs < n
        bound = ", the most that batch_size allows" if is_bounded else ""
        return JobSize(
            size, f"about {duration_words(max(1, size * item_s))} each{bound}, at {item_s:,.2f} s per image so far"
        )

    def _size_of_waiting(self, items: Sequence[State | Item]) -> int:
        """Return the size of jobs that wait for batches of the provider; 0 for others."""
        if items[0].key in self.submission_of:
            return len(items)  # a second job would only wait for the first
        settings = settings_of(items[0].model or items[0].recipe.model, self.campaign)
        provider = provider_class(settings.provider)
        if not settings.in_batches(can_wait=items[0].can_wait) or not issubclass(provider, BatchProvider):
            return 0
        # Submit all of them at once, as far as a file can hold them: each batch may take a day.
        share = -(-len(items) // self.campaign.limits.batches_in_flight)
        return min(provider.file_limits.lines, max(self.campaign.batch_size, share))

    def _call_seconds(self, items: Iterable[State | Item]) -> float | None:
        """Return the mean time of an image in a job, with its share of calls in flight and rates, as far as known."""
        counts = Counter((item.model or item.recipe.model, model_of(item.recipe)) for item in items)
        timed = [(n, s) for (label, model), n in counts.items() if (s := self._image_seconds(label, model)) is not None]
        return sum(n * s for n, s in timed) / sum(n for n, _ in timed) if timed else None

    def _image_seconds(self, label: str, model: ModelId) -> float | None:
        call_s, limits = self._calls.median_s(model), self.campaign.limits
        settings = settings_of(label, self.campaign)
        if call_s is None or settings.local_device:
            return call_s
        rates = settings.rates or limits
        per_min = [rate for rate in (rates.images_per_min, rates.requests_per_min) if rate is not None]
        spacing_s = [JOBS_AT_ONCE * MINUTE_S / rate for rate in per_min]
        return max(call_s / -(-limits.in_flight // JOBS_AT_ONCE), *spacing_s, 0.0)


def batch_size(n_open: int, most: int, least: int = 120, parts: int = MOST_PARTS) -> int:
    """Return how many items a batch has: enough batches for all cores, equally large, and none below `least`.

    Args:
        n_open: Number of items.
        most: The campaign's ``batch_size``.
        least: Number of items that are worth a job.
        parts: Number of batches to aim for.
    """
    n_batches = max(1, min(parts, n_open // least))
    return max(1, min(most, -(-n_open // n_batches)))


def parts_here() -> int:
    """Return how many jobs per stage a small run has: one per core, from 4 to 8."""
    return min(MOST_PARTS, max(LEAST_PARTS, os.cpu_count() or 1))
