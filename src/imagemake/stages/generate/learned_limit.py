"""A server's limit, learned from the headers of its responses, and when the next call fits under it.

Servers count in two ways, which the headers tell apart. A token bucket refills evenly: the time to its reset is
proportional to what is used. A window returns what was used when it ends, all at once or as old calls leave it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any, NamedTuple

ROUNDED_S = 0.002  # resets are rounded to milliseconds, or to seconds
MARGIN_S = 0.2  # the clocks differ, and a call takes more or less time to arrive than the one before
ARRIVES_WITHIN_S = 2.0  # calls that start together arrive in any order, within this time
SPARE_SHARE, MOST_SPARE = (
    0.1,
    2,
)  # what stays in a bucket for calls that arrive in another order, as a share and in calls
CATCH_UP, LET_GO = 0.5, 0.1  # a fuller server is believed sooner than an emptier one
CONSTANT_SHARE = 0.9  # a reset that never falls below this share of a window tells when the newest call leaves it


class Reading(NamedTuple):
    """A limit as the headers of one response tell it.

    Attributes:
        limit: Units that the server allows at once.
        remaining: Units that it still allows.
        reset_s: Seconds until all of them are back, or until the window ends.
    """

    limit: float
    remaining: float
    reset_s: float


@dataclass(slots=True)
class LearnedLimit:
    """What is known about one limit, as plain data that jobs share. Times are seconds of Unix time.

    Attributes:
        limit: Units that the server allows at once.
        readings: Number of readings.
        least_unit_s: Time per unit that every reading requires, if the server is a bucket.
        most_unit_s: Time per unit that every reading allows. If it is less, the server is a window.
        full_at: When the bucket will be full, after all calls that have started; 0 if unknown.
        window_s: Longest time to a reset.
        shortest_s: Shortest time to a reset.
        until: When the window ends; 0 if unknown.
        ended: When the window before this one ended; 0 if unknown.
        others: Units that others seem to use in a window.
        is_fixed: Whether everything returned at the end of a window. Until this is seen, calls follow those before.
        reads_late: Whether headers seem to tell the state at the end of a call, not at its start.
    """

    limit: float
    readings: int = 0
    least_unit_s: float = 0.0
    most_unit_s: float = inf
    full_at: float = 0.0
    window_s: float = 0.0
    shortest_s: float = inf
    until: float = 0.0
    ended: float = 0.0
    others: float = 0.0
    is_fixed: bool = False
    reads_late: bool = False

    @classmethod
    def of(cls, data: dict[str, Any]) -> LearnedLimit:
        """Make it from `as_dict`."""
        known: dict[str, Any] = {name: inf if value is None else value for name, value in data.items()}
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, which has no infinite numbers."""
        return {name: None if value == inf else value for name, value in asdict(self).items()}

    @property
    def is_bucket(self) -> bool:
        """Whether the server refills evenly, as far as is known."""
        return self.readings > 1 and self.least_unit_s <= self.most_unit_s < inf

    def read(
        self,
        reading: Reading,
        starts: Sequence[float],
        started: float,
        now: float,
        units: float,
        *,
        refused: bool = False,
    ) -> None:
        """Learn from a response.

        Args:
            reading: From its headers; something is used.
            starts: Latest starts of calls, oldest first.
            started: When its call started.
            now: When the response arrived.
            units: Units per call.
            refused: Whether the limit refused the call.
        """
        self.reads_late |= refused
        used = reading.limit - reading.remaining
        reset_at = (now if self.reads_late else started) + reading.reset_s
        self._learn_unit(reading, used, units)
        self._learn_window(reading, used, starts, started, units)
        self.until = reset_at
        if self.is_bucket:
            later = units * _after(started, starts)  # calls that the server did not know of
            full_at = reset_at + self.most_unit_s * later
            share = CATCH_UP if full_at > self.full_at else LET_GO
            self.full_at += (full_at - self.full_at) * (share if self.full_at else 1.0)

    def next_start(self, now: float, starts: Sequence[float], units: float) -> float:
        """Return when a call of some units can start: now, or later."""
        if self.is_bucket:
            spare = min(MOST_SPARE * units, self.limit * SPARE_SHARE)
            room_at = self.full_at - (self.limit - units - spare) * self.most_unit_s
            return now if room_at <= now else room_at + MARGIN_S
        start, limit = now, self.limit - self.others
        if self._has_end and now <= self.until + MARGIN_S:
            own = units * _after(self.until - self.window_s - ARRIVES_WITHIN_S, starts)
            start = self.until + 2 * MARGIN_S if own + units > limit else now
        fitting = int(limit / units)
        if not (self.is_fixed and self._has_end) and 0 < fitting <= len(starts):
            start = max(start, starts[-fitting] + self.window_s + MARGIN_S)
        return start

    def count(self, start: float, units: float) -> None:
        """Count a call that starts."""
        if self.is_bucket:
            self.full_at = max(start, self.full_at) + units * self.most_unit_s
        if 0 < self.until < start:
            self.ended, self.until = self.until, start + self.window_s

    @property
    def _has_end(self) -> bool:
        return self.shortest_s < CONSTANT_SHARE * self.window_s

    def _learn_unit(self, reading: Reading, used: float, units: float) -> None:
        rounded_s = 1.0 if reading.reset_s.is_integer() else ROUNDED_S
        self.readings += 1
        self.least_unit_s = max(self.least_unit_s, (reading.reset_s - rounded_s) / used)
        if used > units:  # what remains is rounded down to a whole number, so up to one unit less may be used
            self.most_unit_s = min(self.most_unit_s, (reading.reset_s + rounded_s) / (used - 1))

    def _learn_window(
        self, reading: Reading, used: float, starts: Sequence[float], started: float, units: float
    ) -> None:
        self.window_s = max(self.window_s, reading.reset_s)
        self.shortest_s = min(self.shortest_s, reading.reset_s)
        surely = started - ARRIVES_WITHIN_S
        if 0 < self.ended < started:
            before = units * (
                _after(surely - self.window_s + 2 * ARRIVES_WITHIN_S, starts) - _after(self.ended, starts)
            )
            since = units * max(1, _after(self.ended, starts) - _after(surely, starts))
            # A window that slides would still count the calls before its end.
            self.is_fixed |= before > self.limit / 4 and used <= since + before / 4
        begin = self.until - self.window_s if self.is_fixed and started <= self.until else started - self.window_s
        own = units * (_after(begin - ARRIVES_WITHIN_S, starts) - _after(started + ARRIVES_WITHIN_S, starts))
        self.others = max(0.0, self.others + LET_GO * (used - own - self.others))


def _after(time: float, starts: Sequence[float]) -> int:
    return len(starts) - bisect_right(starts, time)
