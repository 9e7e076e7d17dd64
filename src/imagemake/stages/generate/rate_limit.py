"""The rates that all jobs share, and how a job reacts when the provider tells it to slow down.

One small file under a kernel lock holds the rates, so that jobs on one machine or one shared disk count together.
Snakemake's resource tokens cap the calls in flight: a job makes as many concurrent calls as it holds tokens.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from imagemake.config.run import Limits
from imagemake.core.files import FileLock
from imagemake.core.sealed import read_sealed, write_sealed
from imagemake.stages.generate.rate_headers import drained_s, total_tokens

MINUTE_S = 60.0
GROW_AFTER_SUCCESSES = 4  # after this many good calls per concurrent call, a slowed job adds one concurrent call
LONGEST_JITTER_S = 1.0  # spreads calls that were held back together; a small part of a minute
MEAN_OVER_CALLS = 50  # short enough that the mean tokens per call follow a changed size or quality


def interval_s(rate_per_min: float, units: float) -> float:
    """Return the time between the start of a call that takes some units and the next start, in seconds.

    A minute has room for a whole number of calls: with fractional spacing, one more would start at its end.
    """
    if units <= 0:
        return 0.0
    calls = rate_per_min / units
    return MINUTE_S / (math.floor(calls + 1e-9) if calls >= 1 else calls)


class SharedPace:
    """The rates that all jobs share, by the generic cell rate algorithm without bursts.

    A call starts when every rate has a free start, and takes the next start of each. If calls take the same number of
    tokens, they never exceed a rate in any minute. If they differ, the last call in a minute can exceed it.

    The limits that a server reports, and the tokens per call, apply to one model; other models continue.

    Args:
        path: The shared file; if it is lost, only the last minute is forgotten.
        limits: Requests, images, and tokens per minute. Calls are spaced evenly, because servers refuse bursts.
        model: The model of these calls, among those that share the rates.
    """

    def __init__(self, path: Path, limits: Limits, model: str = "") -> None:
        self._model = model
        rates = {
            "requests": limits.requests_per_min,
            "images": limits.images_per_min,
            "tokens": limits.tokens_per_min,
        }
        self._rates = {name: rate for name, rate in rates.items() if rate is not None}
        self.longest_wait_s = limits.longest_wait_s
        self._path = path
        self._lock = FileLock(path.with_suffix(".lock"))

    def reserve(self, now: float, tokens: float | None = None) -> float:
        """Reserve the next free start for one call, after any time for which all jobs are held back.

        Args:
            now: Time, in seconds.
            tokens: Expected tokens of the call; None for the mean of earlier calls.

        Returns:
            How long to wait for the start, in seconds; always 0 if no rate is set.
        """
        if not self._rates:
            return 0.0
        with self._lock:
            state = self._read()
            mine = self._mine(state)
            expected = mine.get("call_tokens", 0.0) if tokens is None else tokens
            units = {"requests": 1.0, "images": 1.0, "tokens": expected}
            start = max(now, mine.get("not_before", 0.0), *(state.get(name, 0.0) for name in self._rates))
            for name, rate in self._rates.items():
                state[name] = start + interval_s(rate, units[name])
            if "tokens" in self._rates and expected <= 0:
                mine["uncounted"] = mine.get("uncounted", 0.0) + 1
            self._write(state)
        return float(start - now)

    def count_tokens(self, now: float, tokens: float) -> None:
        """Update the mean tokens per call; calls that started before the first answer are counted now.

        Args:
            now: Time, in seconds.
            tokens: Tokens that the call took.
        """
        if tokens <= 0:
            return
        rate = self._rates.get("tokens")
        if rate is not None:
            tokens = min(tokens, rate)  # a wrong count must not stop all jobs for longer than a minute
        with self._lock:
            state = self._read()
            mine = self._mine(state)
            calls = min(mine.get("calls", 0.0) + 1, MEAN_OVER_CALLS)
            mean = mine.get("call_tokens", 0.0)
            mine |= {"calls": calls, "call_tokens": mean + (tokens - mean) / calls}
            if rate is not None and mine.get("uncounted", 0.0) > 0:
                mine["uncounted"] -= 1
                state["tokens"] = max(now, state.get("tokens", 0.0)) + interval_s(rate, tokens)
            self._write(state)

    def call_tokens(self) -> float:
        """Return the mean tokens per call; 0 if unknown."""
        return self._mine(self._read()).get("call_tokens", 0.0)

    def held_back_s(self, now: float) -> float:
        """Return how long calls of the model are still held back in every job, in seconds; 0 if they are not."""
        return max(0.0, self._mine(self._read()).get("not_before", 0.0) - now)

    def hold_back(self, until: float) -> None:
        """Let no job start a call of the model before a time, in seconds of Unix time."""
        with self._lock:
            state = self._read()
            mine = self._mine(state)
            if until > mine.get("not_before", 0.0):
                mine["not_before"] = until
                self._write(state)

    def _mine(self, state: dict[str, Any]) -> dict[str, float]:
        mine: dict[str, float] = state.setdefault("models", {}).setdefault(self._model, {})
        return mine

    def _read(self) -> dict[str, Any]:
        return read_sealed(self._path) or {}

    def _write(self, state: Mapping[str, Any]) -> None:
        write_sealed(self._path, state)


class Gate:
    """Limits the concurrent calls of a job: adds one while calls succeed, halves when told to slow down.

    Args:
        most: Snakemake tokens that the job holds.
        pace: The rates of all jobs.

    Attributes:
        stopping: Set to let no new call start; waits then end at once. The gates of a job share it.
    """

    def __init__(self, most: int, pace: SharedPace, stopping: asyncio.Event | None = None) -> None:
        self.most = most
        self.allowed = most
        self.pace = pace
        self.stopping = stopping or asyncio.Event()
        self._running = 0
        self._successes = 0
        self._halved_at = 0.0
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._running < self.allowed)
            self._running += 1

    async def __aexit__(self, *exception: object) -> None:
        async with self._changed:
            self._running -= 1
            self._changed.notify_all()

    async def grow(self, more: int) -> None:
        """Allow more concurrent calls, which another model of the job no longer needs."""
        async with self._changed:
            self.most += more
            self.allowed += more
            self._changed.notify_all()

    async def wait_for_start(self) -> None:
        """Wait until the rates allow one more call."""
        await self.pause(self.pace.reserve(time.time()))
        while (held_s := self.pace.held_back_s(time.time())) > 0 and not self.stopping.is_set():
            # Calls that were held back together must not start together: rates spread them, else jitter does.
            jittered_s = held_s + random.random() * min(held_s / 4, LONGEST_JITTER_S)  # noqa: S311  spreads load
            await self.pause(self.pace.reserve(time.time()) or jittered_s)

    async def pause(self, wait_s: float) -> None:
        """Wait some seconds, or until the job stops."""
        if wait_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), wait_s)

    def went_well(self) -> None:
        """Count a successful call; after enough of them, allow one more concurrent call."""
        self._successes += 1
        if self._successes >= GROW_AFTER_SUCCESSES * self.allowed:
            self._successes = 0
            self.allowed = min(self.most, self.allowed + 1)

    def slow_down(self, started: float, wait_s: float, *, asked: bool) -> None:
        """Halve the concurrent calls; if the server asked to wait or only one call is left, hold back all jobs too.

        Calls that were in flight together are refused together, so calls that started before the last halving do not
        halve again.

        Args:
            started: When the refused call started, in seconds of Unix time.
            wait_s: How long the call waits before its next try, in seconds.
            asked: Whether the server sent the wait.
        """
        now = time.time()
        self._successes = 0
        if asked or self.allowed == 1:
            self.pace.hold_back(now + wait_s)
        if started >= self._halved_at:
            self._halved_at = now
            self.allowed = max(1, self.allowed // 2)

    def heed(self, headers: Mapping[str, str], usage: Mapping[str, Any] | None) -> None:
        """Learn from any answer, good or bad: count its tokens, and hold back all jobs while a limit is exhausted."""
        now = time.time()
        self.pace.count_tokens(now, total_tokens(usage))
        wait_s = drained_s(headers, self.pace.longest_wait_s, self.pace.call_tokens())
        if wait_s > 0:
            self.pace.hold_back(now + wait_s)
