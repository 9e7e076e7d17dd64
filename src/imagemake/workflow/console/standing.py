"""Where a run stands: counts from the plan and the progress of its jobs, the pace, and the time left."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imagemake.core.gpus import POWER_LIMIT
from imagemake.store.layout import GENERATED, POSTPROCESSED, VALIDATED
from imagemake.store.progress import Progress
from imagemake.store.seen_gpus import SeenGpu
from imagemake.workflow.console.outlook import Outlook

WINDOW_S = 60.0  # a pace is that of the last minute
GIB = 2**30
LEAST_S = 5.0  # a shorter time gives no useful pace


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands.

    Attributes:
        wanted: Requested images.
        done: Images that are finished, now or earlier.
        generated: Images that this run generated.
        checked: Images that this run measured.
        finished: Images that this run finished.
        review: Images that await review.
        failed: Images without a result so far; a later round may try again.
        in_flight: Calls without an answer so far.
        per_min: Images per minute in the last minute; None if it is too early to tell.
        limit_per_min: Most images per minute; None if no rate is set, or none is being generated.
        cost_usd: What this run has spent, in USD.
        expected_usd: What it was expected to spend, in USD; None if that is unknown.
        left_s: Expected seconds until the end; None if unknown.
        waits_for: What is being waited for, in words; empty if nothing.
        waits_until: End of the wait, in seconds of Unix time; 0 if unknown.
        gpus: What the cards of running jobs do, in words; empty if there are none.
    """

    wanted: int = 0
    done: int = 0
    generated: int = 0
    checked: int = 0
    finished: int = 0
    review: int = 0
    failed: int = 0
    in_flight: int = 0
    per_min: float | None = None
    limit_per_min: float | None = None
    cost_usd: float = 0.0
    expected_usd: float | None = 0.0
    left_s: float | None = None
    waits_for: str = ""
    waits_until: float = 0.0
    gpus: str = ""


class _Moment(NamedTuple):
    at_s: float
    counts: tuple[int, int, int]  # images generated, checked, finished


class Pace:
    """How fast images pass through the stages, from what was told in the last minute."""

    def __init__(self) -> None:
        self._moments: deque[_Moment] = deque()

    def add(self, now_s: float, generated: int, checked: int, finished: int) -> None:
        """Add the counts at a time, in seconds."""
        if self._moments and not any(self._moments[-1].counts):
            self._moments.clear()  # nothing has moved yet, and starting up is not a pace
        self._moments.append(_Moment(now_s, (generated, checked, finished)))
        while now_s - self._moments[0].at_s > WINDOW_S:
            self._moments.popleft()

    def per_s(self) -> tuple[float, float, float] | None:
        """Return images per second of each stage; None if it is too early to tell."""
        first, last = self._moments[0], self._moments[-1]
        past_s = last.at_s - first.at_s
        if past_s < LEAST_S:
            return None
        generated, checked, finished = (
            (now - then) / past_s for now, then in zip(last.counts, first.counts, strict=True)
        )
        return generated, checked, finished


def gpu_words(seen: Sequence[SeenGpu]) -> str:
    """Return what cards do, in words: ``GPUs (2) 93%, 18 of 80 GiB, 71 °C, 620 W``; the memory of the fullest one."""
    if not seen:
        return ""
    shares = [gpu.reading.utilization for gpu in seen if gpu.reading.utilization is not None]
    fullest = max((gpu.reading for gpu in seen), key=lambda now: now.used_bytes or 0)
    hot = [gpu.reading.temperature_c for gpu in seen if gpu.reading.temperature_c is not None]
    powers = [gpu.reading.power_w for gpu in seen if gpu.reading.power_w is not None]
    slowed = sorted({words for gpu in seen for words in gpu.reading.slowed if words != POWER_LIMIT})
    used, total = fullest.used_bytes, fullest.total_bytes
    parts = [
        f"GPU{'' if len(seen) == 1 else f's ({len(seen)})'}"
        + (f" {100 * sum(shares) / len(shares):.0f}%" if shares else ""),
        "" if used is None or total is None else f"{used / GIB:.0f} of {total / GIB:.0f} GiB",
        f"{max(hot):.0f} °C" if hot else "",
        f"{sum(powers):,.0f} W" if powers else "",
        *(f"throttled: {words}" for words in slowed),
    ]
    return ", ".join(filter(None, parts))


def standing(outlook: Outlook, progress: Mapping[str, Progress], pace: Pace, now_s: float) -> Standing:
    """Return where a run stands, and add this moment to its pace.

    Args:
        outlook: What the run is expected to do.
        progress: The progress of all jobs together, by the folder of the tables that they make.
        pace: How fast the run was.
        now_s: The time, in seconds.
    """
    made, checks, ends = (progress.get(table, Progress()) for table in (GENERATED, VALIDATED, POSTPROCESSED))
    pace.add(now_s, made.done, checks.done, ends.done)
    per_s = pace.per_s()
    generates = made.done + made.failed < outlook.to_generate
    return Standing(
        wanted=outlook.wanted,
        done=outlook.done + ends.done,
        generated=made.done,
        checked=checks.done,
        finished=ends.done,
        review=outlook.review + ends.review,
        failed=outlook.given_up + made.failed + ends.failed,
        in_flight=made.in_flight,
        per_min=None if per_s is None else 60 * (per_s[0] if generates else max(per_s[1:])),
        limit_per_min=outlook.per_min if generates else None,
        cost_usd=made.cost_usd,
        expected_usd=outlook.cost_usd,
        left_s=_left_s(outlook, made, checks, ends, per_s),
        waits_for=made.waits_for,
        waits_until=made.waits_until,
    )


def _left_s(
    outlook: Outlook, made: Progress, checks: Progress, ends: Progress, per_s: tuple[float, float, float] | None
) -> float | None:
    """Return the time of the slowest stage; None if one stands still or nothing is left."""
    to_check = outlook.to_generate + outlook.to_validate - made.failed
    to_finish = to_check + outlook.to_postprocess - ends.review - ends.failed
    open_images = (
        outlook.to_generate - made.done - made.failed,
        to_check - checks.done,
        to_finish - ends.done,
    )
    left = [(images, rate) for images, rate in zip(open_images, per_s or (), strict=False) if images > 0]
    if not left or any(not rate for _, rate in left[:1]):
        return None
    return max(images / rate for images, rate in left if rate)
