"""How fast: the rates that all jobs keep to together, and what a job does when it is told to slow down.

The rates are kept in one small file under a kernel lock, so that jobs of one machine, or of one shared disk, count
together. Calls in flight are capped by Snakemake's resource tokens; a job uses as many at once as it holds tokens.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from imagemake.files import FileLock, write_whole

MINUTE_S = 60.0
GROW_AFTER_SUCCESSES = 4  # a job that was told to slow down tries one more call at once after so many good ones a call


class Limits(BaseModel):
    """How many calls, how fast, and how often a failed one is tried again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    in_flight: int = Field(8, ge=1, description="Calls to the provider at once, over all jobs of a run together.")
    images_per_min: float | None = Field(None, gt=0, description="Pictures asked for a minute, over all jobs together.")
    requests_per_min: float | None = Field(None, gt=0, description="Calls sent a minute, over all jobs together.")
    tries: int = Field(5, ge=1, description="Calls for one picture in one run, the first included.")
    first_wait_s: float = Field(
        1.0, gt=0, description="Longest wait before the second try, in seconds; it doubles from try to try."
    )
    longest_wait_s: float = Field(60.0, gt=0, description="Longest wait before any try, in seconds.")
    timeout_s: float = Field(300.0, gt=0, description="Longest wait for one answer, in seconds.")
    unknown: Literal["retry", "hold"] = Field(
        "retry",
        description="A call that was sent and not answered may have been billed: 'retry' asks again, and may pay "
        "twice; 'hold' leaves the picture out until you say 'retry'.",
    )
    grace_s: float = Field(
        60.0, ge=0, description="How long calls in flight may take to land after Ctrl-C or SIGTERM, in seconds."
    )


def backoff_s(limits: Limits, tries: int, asked_s: float | None, draw: float) -> float:
    """Say how long to wait before the next try: exponential with full jitter, and never less than the server asked for.

    Args:
        limits: The first and the longest wait.
        tries: Tries made so far, from 1.
        asked_s: What the server asked for, in seconds.
        draw: A random number, 0 to 1.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
    """
    jittered: float = draw * min(limits.longest_wait_s, limits.first_wait_s * 2 ** (tries - 1))
    return jittered if asked_s is None else asked_s + jittered


@dataclass(frozen=True, slots=True)
class Slot:
    """One rate: when its next call may start, as the generic cell rate algorithm keeps it."""

    free_at: float
    interval_s: float

    def take(self, now: float) -> tuple[float, Slot]:
        """Return the wait from now in seconds, and the slot after this call."""
        start = max(now, self.free_at)
        return start - now, Slot(start + self.interval_s, self.interval_s)


class SharedPace:
    """The rates that all jobs keep to together.

    Args:
        path: The shared file; losing it costs nothing but a minute's memory.
        limits: Rates of requests and images a minute. Calls are spaced evenly: bursts are what servers refuse.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        rates = {"requests": limits.requests_per_min, "images": limits.images_per_min}
        self._intervals_s = {name: MINUTE_S / rate for name, rate in rates.items() if rate is not None}
        self._path = path
        self._lock = FileLock(path.with_suffix(".lock"))

    def reserve(self, now: float) -> float:
        """Take the next free start for one call and return how long to wait for it, in seconds."""
        if not self._intervals_s:
            return 0.0
        with self._lock:
            state = self._read()
            waits = []
            for name, interval_s in self._intervals_s.items():
                wait_s, slot = Slot(state.get(name, 0.0), interval_s).take(now)
                state[name] = slot.free_at
                waits.append(wait_s)
            self._write(state)
        return max(waits)

    def held_back_s(self, now: float) -> float:
        """Return how long every job is still held back, in seconds; 0 where none is."""
        return max(0.0, self._read().get("not_before", 0.0) - now)

    def hold_back(self, until: float) -> None:
        """Let no job start a call before a time: one that was told to slow down slows all of them."""
        with self._lock:
            state = self._read()
            if until > state.get("not_before", 0.0):
                self._write({**state, "not_before": until})

    def _read(self) -> dict[str, float]:
        try:
            state: dict[str, float] = orjson.loads(self._path.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        return state

    def _write(self, state: Mapping[str, float]) -> None:
        write_whole(self._path, orjson.dumps(state))


class Gate:
    """How many calls a job has at once: grows by one while all is well, halves when it is told to slow down.

    Args:
        most: The tokens that the job holds.
        pace: The rates of all jobs.

    Attributes:
        stopping: Set when no new call may start; waits then end at once.
    """

    def __init__(self, most: int, pace: SharedPace) -> None:
        self.most = most
        self.allowed = most
        self.pace = pace
        self.stopping = asyncio.Event()
        self._running = 0
        self._successes = 0
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._running < self.allowed)
            self._running += 1

    async def __aexit__(self, *exception: object) -> None:
        async with self._changed:
            self._running -= 1
            self._changed.notify_all()

    async def wait_for_start(self) -> None:
        """Wait until the rates allow one more call."""
        await self.pause(self.pace.reserve(time.time()))
        while (wait_s := self.pace.held_back_s(time.time())) > 0 and not self.stopping.is_set():
            # Jitter, so that what was held back together does not start together.
            await self.pause(wait_s * (1 + random.random() / 4))  # noqa: S311  spreads load, guards nothing

    async def pause(self, wait_s: float) -> None:
        """Wait, in seconds, or until the job is to stop."""
        if wait_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), wait_s)

    def went_well(self) -> None:
        """Count a good call; enough of them allow one more at once."""
        self._successes += 1
        if self._successes >= GROW_AFTER_SUCCESSES * self.allowed:
            self._successes = 0
            self.allowed = min(self.most, self.allowed + 1)

    def slow_down(self, wait_s: float) -> None:
        """Halve the calls at once, and hold back all jobs for a while, in seconds."""
        self._successes = 0
        self.allowed = max(1, self.allowed // 2)
        self.pace.hold_back(time.time() + wait_s)
