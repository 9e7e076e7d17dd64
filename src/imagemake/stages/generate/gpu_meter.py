"""How long each image kept a GPU busy, and what else the card told meanwhile.

A provider that makes several images at once says how long its images took. For all others, the calls in flight share
the time evenly: with k of them, a second counts as 1/k for each, so that all together have taken as long as the work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol


class Watch(Protocol):
    """What watches the card of a job; see `imagemake.stages.generate.gpu_watch`."""

    def since(self, start_s: float) -> dict[str, Any]:
        """Return what the card did since a time of `time.monotonic`; without what it does not tell."""


@dataclass(slots=True)
class Busy:
    """The time of one call.

    Attributes:
        began_s: When it began, by `time.monotonic`.
        seconds: Its share of the time; before its end, what each call in flight had taken when it began.
    """

    began_s: float
    seconds: float


class GpuMeter:
    """Measures the calls of a job to one server, or to the model in the job itself.

    Args:
        is_on: Whether the journal gets the result.
        watch: Watches the card; None if it is elsewhere.
        elsewhere: Returns the calls that other jobs have in flight at the same server; None if no other job can.
    """

    def __init__(self, *, is_on: bool, watch: Watch | None = None, elsewhere: Callable[[], int] | None = None) -> None:
        self._is_on = is_on
        self._watch = watch
        self._elsewhere = elsewhere
        self._n = 0
        self._shared_s = 0.0
        self._at_s = time.monotonic()

    @contextmanager
    def call(self) -> Iterator[Busy]:
        """Measure a call for as long as the block runs."""
        self._advance()
        self._n += 1
        busy = Busy(self._at_s, self._shared_s)
        try:
            yield busy
        finally:
            self._advance()
            self._n -= 1
            busy.seconds = self._shared_s - busy.seconds

    def record(self, busy: Busy, told_s: float | None, gpus: int) -> dict[str, Any] | None:
        """Return what the journal says of a call that ended; None if it says nothing.

        Args:
            busy: Its time.
            told_s: How long its image took, if the provider knows.
            gpus: How many GPUs it kept busy.
        """
        if not self._is_on:
            return None
        seconds = busy.seconds if told_s is None else told_s
        told = self._watch.since(busy.began_s) if self._watch is not None else {}
        power_w = told.pop("power_w", None)
        energy = {} if power_w is None else {"energy_wh": round(power_w * seconds / 3600, 6)}
        return {"seconds": round(seconds * gpus, 3), **energy, **told}

    def _advance(self) -> None:
        now = time.monotonic()
        if self._n and self._is_on:
            self._shared_s += (now - self._at_s) / (self._n + (self._elsewhere() if self._elsewhere else 0))
        self._at_s = now
