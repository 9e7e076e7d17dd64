"""Watches the card of a job once a second, for as long as the job generates."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any

from imagemake.core.gpus import THROTTLING, Card, Reading
from imagemake.store.seen_gpus import write_seen

EVERY_S = 1.0
GIB = 2**30
J_PER_WH = 3600


@dataclass(frozen=True, slots=True)
class Summary:
    """What a card did during a job. What it did not tell is None.

    Attributes:
        seconds: How long it was watched.
        utilization: Mean, 0 to 1.
        peak_bytes: Most memory in use.
        total_bytes: Its memory.
        hottest_c: Highest temperature, in degrees Celsius.
        energy_wh: What it used, in watt-hours.
        slowed_s: For how many seconds it was slowed down, by reason.
    """

    seconds: float
    utilization: float | None
    peak_bytes: int | None
    total_bytes: int | None
    hottest_c: float | None
    energy_wh: float | None
    slowed_s: dict[str, float]

    @property
    def throttled(self) -> list[str]:
        """Why it was throttled, if it was: its power limit does not count, which a busy card is often at."""
        reasons = [words for words in THROTTLING.values() if self.slowed_s.get(words)]
        return [f"{words} for {self.slowed_s[words]:.0f} of {self.seconds:.0f} s" for words in reasons]

    def in_words(self, card: str, images: int) -> str:
        """Return a line for the log of a job that generated some images."""
        peak, hot, wh = self.peak_bytes, self.hottest_c, self.energy_wh
        parts = [
            f"{self.seconds:,.0f} s",
            "" if self.utilization is None else f"utilization {100 * self.utilization:.0f} %",
            "" if peak is None else f"peak memory {peak / GIB:.1f} of {(self.total_bytes or 0) / GIB:.1f} GiB",
            "" if hot is None else f"at most {hot:.0f} °C",
            "" if wh is None else f"{wh:,.1f} Wh",
            f"{images / self.seconds:.3g} images/s" if images and self.seconds else "",
            f"{wh / images:.3g} kWh per 1,000 images" if images and wh is not None else "",
            *(f"slowed for {seconds:.0f} s: {words}" for words, seconds in sorted(self.slowed_s.items())),
        ]
        return f"GPU {card}: {', '.join(filter(None, parts))}"


class GpuWatch:
    """Reads a card in a thread of its own.

    Args:
        card: The card.
        work: The folder ``work/``, where the last reading is for the console and the monitor; None for nowhere.
    """

    def __init__(self, card: Card, work: Path | None) -> None:
        self.card = card
        self._work = work
        self._times: list[float] = []
        self._readings: list[Reading] = []
        self._ended = Event()
        self._thread = Thread(target=self._run, daemon=True, name="imagemake GPU")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch the card for as long as the block runs."""
        self._look()
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join(EVERY_S)
            self._look()

    def since(self, start_s: float) -> dict[str, Any]:
        """Return what the card did since a time of `time.monotonic`, for the journal.

        Returns:
            ``card``, ``power_w``, ``peak_bytes`` and ``utilization``, without what the card does not tell.
        """
        end = len(self._times)
        first = max(0, min(bisect_left(self._times, start_s, hi=end) - 1, end - 2))
        times, readings = self._times[first:end], self._readings[first:end]
        summary = summary_of(times, readings)
        watts = [one.power_w for one in readings if one.power_w is not None]
        power_w = sum(watts) / len(watts) if watts else None
        if summary.energy_wh is not None and summary.seconds:
            power_w = summary.energy_wh * J_PER_WH / summary.seconds
        utilization = None if summary.utilization is None else round(summary.utilization, 3)
        found = {"power_w": power_w, "peak_bytes": summary.peak_bytes, "utilization": utilization}
        return {"card": self.card.name, **{name: value for name, value in found.items() if value is not None}}

    def summary(self) -> Summary:
        """Return what the card did in all."""
        end = len(self._times)
        return summary_of(self._times[:end], self._readings[:end])

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        reading = self.card.read()
        self._readings.append(reading)
        self._times.append(time.monotonic())  # after the reading: others take as many readings as there are times
        if self._work is not None:
            write_seen(self._work, self.card, reading)


def summary_of(times: Sequence[float], readings: Sequence[Reading]) -> Summary:
    """Sum up readings of a card.

    The energy is that of the card's own counter, or else the power between two readings times the time.

    Args:
        times: When each was read, in seconds, in ascending order.
        readings: At least one.
    """
    steps = [(after - before, now) for before, after, now in zip(times, times[1:], readings[1:], strict=False)]
    slowed = Counter[str]()
    for step_s, now in steps:
        slowed.update(dict.fromkeys(now.slowed, step_s))
    shares = [one.utilization for one in readings if one.utilization is not None]
    used = [one.used_bytes for one in readings if one.used_bytes is not None]
    temperatures = [one.temperature_c for one in readings if one.temperature_c is not None]
    return Summary(
        seconds=times[-1] - times[0],
        utilization=sum(shares) / len(shares) if shares else None,
        peak_bytes=max(used, default=None),
        total_bytes=readings[0].total_bytes,
        hottest_c=max(temperatures, default=None),
        energy_wh=_energy_wh(steps, readings),
        slowed_s=dict(slowed),
    )


def _energy_wh(steps: Sequence[tuple[float, Reading]], readings: Sequence[Reading]) -> float | None:
    first, last = readings[0].energy_j, readings[-1].energy_j
    if first is not None and last is not None:
        return (last - first) / J_PER_WH
    powers = [one.power_w for one in readings]
    if any(power is None for power in powers):
        return None
    between = [(before or 0.0) / 2 + (after or 0.0) / 2 for before, after in pairwise(powers)]
    return sum(step_s * power_w for (step_s, _), power_w in zip(steps, between, strict=True)) / J_PER_WH
