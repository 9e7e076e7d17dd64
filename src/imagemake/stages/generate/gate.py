"""How many calls a job makes at once, when each may start, and how it reacts when told to slow down."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from imagemake.stages.generate.rate_headers import LIMITS, drained_s, total_tokens
from imagemake.stages.generate.rate_limit import SharedPace

GROW_AFTER_SUCCESSES = 4  # after this many good calls per concurrent call, a slowed job adds one concurrent call
LONGEST_JITTER_S = 1.0  # spreads calls that were held back together; a small part of a minute


class Stopping:
    """Tells all gates of a job together to let no new call start."""

    def __init__(self) -> None:
        self._is_set = False
        self._gates: list[Gate] = []

    def add(self, gate: Gate) -> None:
        """Take a gate that is to close with the others."""
        self._gates.append(gate)

    def set(self) -> None:
        """Close all gates."""
        self._is_set = True
        for gate in self._gates:
            gate.close()

    def is_set(self) -> bool:
        """Return whether the job stops."""
        return self._is_set


class Gate:
    """Limits the concurrent calls of a job: adds one while calls succeed, halves when told to slow down.

    Args:
        most: Snakemake tokens that the job holds.
        pace: The rates of all jobs.

    Attributes:
        stopping: Set to let no new call of the job start; waits then end at once. The gates of a job share it.
        waits_for: What calls last waited for, and until when, in seconds of Unix time.
    """

    def __init__(self, most: int, pace: SharedPace, stopping: Stopping | None = None) -> None:
        self.most = most
        self.allowed = most
        self.pace = pace
        self.stopping = stopping or Stopping()
        self.stopping.add(self)
        self._closed = asyncio.Event()
        self.waits_for = ("", 0.0)
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
            # Not all that wait: with n calls in a job, that would be n²/2 wake-ups.
            self._changed.notify(self.allowed - self._running)

    async def grow(self, more: int) -> None:
        """Allow more concurrent calls, which another model of the job no longer needs."""
        async with self._changed:
            self.most += more
            self.allowed += more
            self._changed.notify_all()

    async def wait_for_start(self) -> float:
        """Wait until the rates allow one more call, and return its start, in seconds of Unix time."""
        now = time.time()
        wait_s = self.pace.reserve(now)
        self.waits_for = "the rates in limits", now + wait_s
        await self.pause(wait_s)
        patience_ends = time.time() + self.pace.longest_wait_s
        while not self.is_closed:
            now = time.time()
            with self.pace.together():
                held_s = self.pace.held_back_s(now)
                start, limit = (now, "") if held_s > 0 else self.pace.start(now)
            if held_s > 0:
                # Calls that were held back together must not start together: rates spread them, else jitter does.
                jittered_s = held_s + random.random() * min(held_s / 4, LONGEST_JITTER_S)  # noqa: S311  spreads load
                self.waits_for = "the server's limit", now + held_s
                await self.pause(self.pace.reserve(now) or jittered_s)
                continue
            if not limit:
                return start
            if start - now > self.pace.longest_wait_s and now >= patience_ends:
                return now  # headers can be wrong: a response tells
            self.waits_for = f"the server's limit of {LIMITS[limit]}", start
            await self.pause(min(start - now, self.pace.longest_wait_s))
        return time.time()

    async def pause(self, wait_s: float) -> None:
        """Wait some seconds, or until no new call may start."""
        if wait_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), wait_s)

    def close(self) -> None:
        """Let no new call through this gate, and end waits at once; other gates of the job stay open."""
        self._closed.set()

    @property
    def is_closed(self) -> bool:
        """Whether no new call may start."""
        return self._closed.is_set()

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

    def heed(
        self, headers: Mapping[str, str], usage: Mapping[str, Any] | None, started: float, *, refused: bool = False
    ) -> None:
        """Learn from any response: count its tokens, read its limits, and hold back all jobs while one is exhausted.

        Args:
            headers: By lower-case name.
            usage: The ``usage`` of the response, in any form.
            started: When its call started, as returned by `wait_for_start`.
            refused: Whether a limit refused the call.
        """
        now, pace = time.time(), self.pace
        with pace.together():
            pace.count_tokens(now, total_tokens(usage))
            pace.learn(headers, started, now, refused=refused)
            wait_s = drained_s(headers, pace.longest_wait_s, pace.call_tokens())
            if wait_s > 0:
                pace.hold_back(now + wait_s)
