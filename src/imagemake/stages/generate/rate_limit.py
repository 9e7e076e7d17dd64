"""The rates that all jobs share: those of the configuration, and those that responses tell.

One small file under a kernel lock holds the rates, so that jobs on one machine or one shared disk count together.
Snakemake's resource tokens cap the calls in flight: a job makes as many concurrent calls as it holds tokens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from imagemake.config.run import Limits
from imagemake.core.files import FileLock
from imagemake.core.sealed import overwrite_sealed, read_sealed
from imagemake.stages.generate.learned_limit import LearnedLimit
from imagemake.stages.generate.rate_headers import LIMITS, reading_of
from imagemake.store.whole.shared_work import share_of_rates

MINUTE_S = 60.0
MOST_STARTS = 2_000  # remembered, of calls; more in a minute make limits that are learned less exact
MOST_UNTOLD = 500  # before a response tells a limit: those in flight; many servers tell none, ever
SET_BACK_S = 60.0  # by less, the clocks of two nodes may differ
SAME_S = 1e-6  # between starts at the same time, so that a start identifies its call
MEAN_OVER_CALLS = 50  # short enough that the mean tokens per call follow a changed size or quality


def interval_s(rate_per_min: float, units: float) -> float:
    """Return the time between the start of a call that takes some units and the next start, in seconds.

    A minute has room for a whole number of calls: with fractional spacing, one more would start at its end.
    """
    if units <= 0:
        return 0.0
    calls = rate_per_min / units
    return MINUTE_S / (math.floor(calls + 1e-9) if calls >= 1 else calls)


class Quota(NamedTuple):
    """What a server said last of one limit.

    Attributes:
        model: The model.
        limit: Name of the limit: requests, images, or tokens.
        most: Units that the server allows at once.
        remaining: Units that it still allowed.
        reset_at: When all of them are back, in seconds of Unix time.
    """

    model: str
    limit: str
    most: float
    remaining: float
    reset_at: float


def quotas_in(path: Path) -> list[Quota]:
    """Return what the servers of a shared file said last of their limits."""
    if not path.exists():
        return []
    with _lock_of(path):
        models = (read_sealed(path) or {}).get("models", {})
    return [Quota(model, name, *told) for model, mine in models.items() for name, told in mine.get("told", {}).items()]


@dataclass(slots=True)
class _Opened:
    """The content of the shared file while its lock is held.

    Attributes:
        state: All of it.
        mine: What concerns one model.
        is_changed: Whether it is to be written.
    """

    state: dict[str, Any]
    mine: dict[str, Any]
    is_changed: bool = False

    def look_at(self, now: float) -> None:
        """Forget all times if the clock was set back: calls would wait until it is again where it was."""
        latest = self.state.get("latest", now)
        if now < latest - SET_BACK_S:
            self.mine.clear()
            self.state.clear()
            latest, self.is_changed = now, True
        self.state["latest"] = max(now, latest)


class SharedPace:
    """The rates that all jobs share, by the generic cell rate algorithm without bursts.

    A call starts when every rate has a free start, and takes the next start of each. If calls take the same number of
    tokens, they never exceed a rate in any minute. If they differ, the last call in a minute can exceed it.

    The limits that a server reports, and the tokens per call, apply to one model; other models continue.

    Args:
        path: The shared file; if it is lost, only the last minute is forgotten.
        limits: Requests, images, and tokens per minute. Calls are spaced evenly, because servers refuse bursts.
        model: The model of these calls, among those that share the rates.
        paid: Whether calls are paid. Only then, limits are learned: starts of free ones are not even written down.
    """

    def __init__(self, path: Path, limits: Limits, model: str = "", *, paid: bool = True) -> None:
        self._model = model
        rates = {
            "requests": limits.requests_per_min,
            "images": limits.images_per_min,
            "tokens": limits.tokens_per_min,
        }
        self._rates = {name: rate for name, rate in rates.items() if rate is not None}
        self.longest_wait_s = limits.longest_wait_s
        self._path = path
        self._lock = _lock_of(path)
        self._is_paid = paid
        self._open: _Opened | None = None

    @contextmanager
    def together(self) -> Iterator[_Opened]:
        """Read the file once, and write it once if it changed, for all that is done meanwhile; nothing may wait."""
        if self._open is not None:
            yield self._open
            return
        with self._lock:
            state = read_sealed(self._path) or {}
            mine: dict[str, Any] = state.get("models", {}).get(self._model, {})
            self._open = opened = _Opened(state, mine)
            try:
                yield opened
            finally:
                self._open = None
            if opened.is_changed:
                state.setdefault("models", {})[self._model] = mine
                overwrite_sealed(self._path, state)

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
        with self.together() as opened:
            opened.look_at(now)
            state, mine = opened.state, opened.mine
            expected = mine.get("call_tokens", 0.0) if tokens is None else tokens
            units = {"requests": 1.0, "images": 1.0, "tokens": expected}
            start = max(now, mine.get("not_before", 0.0), *(state.get(name, 0.0) for name in self._rates))
            for name, rate in self._rates.items():
                state[name] = start + interval_s(rate, units[name])
            if "tokens" in self._rates and expected <= 0:
                mine["uncounted"] = mine.get("uncounted", 0.0) + 1
            opened.is_changed = True
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
        with self.together() as opened:
            state, mine = opened.state, opened.mine
            calls = min(mine.get("calls", 0.0) + 1, MEAN_OVER_CALLS)
            mean = mine.get("call_tokens", 0.0)
            mine |= {"calls": calls, "call_tokens": mean + (tokens - mean) / calls}
            if rate is not None and mine.get("uncounted", 0.0) > 0:
                mine["uncounted"] -= 1
                state["tokens"] = max(now, state.get("tokens", 0.0)) + interval_s(rate, tokens)
            opened.is_changed = True

    def call_tokens(self) -> float:
        """Return the mean tokens per call; 0 if unknown."""
        with self.together() as opened:
            return float(opened.mine.get("call_tokens", 0.0))

    def held_back_s(self, now: float) -> float:
        """Return how long calls of the model are still held back in every job, in seconds; 0 if they are not."""
        with self.together() as opened:
            opened.look_at(now)
            return float(max(0.0, opened.mine.get("not_before", 0.0) - now))

    def start(self, now: float) -> tuple[float, str]:
        """Start one call if the limits that responses told have room for it.

        Returns:
            When the call starts, which identifies it, or a later time at which to ask again; and in the second case,
            the limit that it waits for.
        """
        if not self._is_paid:
            return now, ""
        with self.together() as opened:
            opened.look_at(now)
            mine = opened.mine
            starts = mine.setdefault("starts", [])
            now = max(now, starts[-1] + SAME_S) if starts else now
            known = {name: LearnedLimit.of(data) for name, data in mine.get("learned", {}).items()}
            units = {name: self._units(name, mine) for name in known}
            waits = {name: limit.next_start(now, starts, units[name]) for name, limit in known.items()}
            last = max(waits, key=waits.__getitem__, default="")
            if last and waits[last] > now:
                return waits[last], last
            for name, limit in known.items():
                limit.count(now, units[name])
            mine["learned"] = {name: limit.as_dict() for name, limit in known.items()}
            mine["starts"] = [*starts[1 - (MOST_STARTS if known else MOST_UNTOLD) :], now]
            opened.is_changed = True
        return now, ""

    def learn(self, headers: Mapping[str, str], started: float, now: float, *, refused: bool = False) -> None:
        """Learn limits from the headers of a response.

        Args:
            headers: By lower-case name.
            started: As returned by `start`.
            now: When the response arrived.
            refused: Whether a limit refused the call.
        """
        readings = {name: reading for name in LIMITS if (reading := reading_of(headers, name))}
        if not readings:
            return
        with self.together() as opened:
            mine = opened.mine
            known = mine.setdefault("learned", {})
            for name, reading in readings.items():
                limit = LearnedLimit.of(known[name]) if name in known else LearnedLimit(reading.limit)
                if limit.limit != reading.limit:  # it was changed
                    limit = LearnedLimit(reading.limit)
                units = self._units(name, mine)
                limit.read(reading, mine.get("starts", ()), started, now, units, refused=refused)
                known[name] = limit.as_dict()
            mine["told"] = {LIMITS[name]: [*reading[:2], now + reading.reset_s] for name, reading in readings.items()}
            opened.is_changed = True

    def hold_back(self, until: float) -> None:
        """Let no job start a call of the model before a time, in seconds of Unix time."""
        with self.together() as opened:
            if until > opened.mine.get("not_before", 0.0):
                opened.mine["not_before"] = until
                opened.is_changed = True

    @staticmethod
    def _units(name: str, mine: Mapping[str, Any]) -> float:
        return max(1.0, mine.get("call_tokens", 0.0)) if name == "tokens" else 1.0


def pace_of_job(path: Path, limits: Limits, model: str, *, paid: bool, calls: int, most: int) -> SharedPace:
    """Return the rates that a job keeps to: with all other jobs, or by itself with a share if they have no shared disk.

    Args:
        path: The shared file.
        limits: Rates of all jobs together.
        model: The model of the calls.
        paid: Whether calls are paid.
        calls: Concurrent calls of the job.
        most: Those of all jobs together.
    """
    share = share_of_rates(calls, most)
    if share is None:
        return SharedPace(path, limits, model, paid=paid)
    rates = {name: getattr(limits, name) for name in ("requests_per_min", "images_per_min", "tokens_per_min")}
    own = {name: rate * share for name, rate in rates.items() if rate is not None}
    pace = SharedPace(path, limits.model_copy(update=own), model, paid=paid)
    if not path.exists():
        pace.reserve(time.time())  # for the last call of the job that had this share before
    return pace


def _lock_of(path: Path) -> FileLock:
    return FileLock(path.with_suffix(".lock"))
