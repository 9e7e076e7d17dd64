"""Wait for a request in a provider's queue.

The wait is bounded, but not the request: it stays in the queue, and the next run goes on waiting.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque

from imagemake.config.run import Limits
from imagemake.core.errors import ImagemakeError
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.failures import STOPS
from imagemake.plugins.providers.queue import GONE, Pending, QueueProvider, Ticket
from imagemake.stages.generate.gate import Gate

FIRST_LOOK_S = 0.5  # after the submission, and the shortest wait between two looks
LONGEST_LOOK_S = 10.0
LONGEST_ASKED_S = 300.0  # that a server may ask to wait between two looks
EARLY = 0.8  # of the shortest time that the last images took, as the first wait
SHARE = 0.05  # of the time so far, as the next wait: so an image is seen at most 5% late
UNKNOWN_TIMES = 3  # a ticket that the provider does not know so often in a row is lost; its list may lag behind
STAYS = (*STOPS, FailureKind.UNREACHABLE)  # nobody was asked


class StillInQueueError(ImagemakeError):
    """A request has not ended, and stays in the provider's queue.

    Attributes:
        error: Why the provider cannot be asked any further, such as an invalid key; None if the time is over.
    """

    def __init__(self, message: str, error: ProviderError | None = None) -> None:
        super().__init__(message)
        self.error = error


class Durations:
    """How long the last images took, so that nobody asks for the next ones much too early."""

    def __init__(self) -> None:
        self._last_s: deque[float] = deque(maxlen=20)

    def note(self, seconds: float) -> None:
        """Take the time of an image into account."""
        self._last_s.append(seconds)

    def left_s(self, so_far_s: float) -> float:
        """Return how long a request needs at least, as far as is known, after the time so far."""
        return EARLY * min(self._last_s, default=0.0) - so_far_s


async def wait_in_queue(
    provider: QueueProvider, ticket: Ticket, gate: Gate, limits: Limits, durations: Durations
) -> ImageResponse:
    """Poll a ticket until its request has ended.

    Args:
        provider: The provider.
        ticket: The ticket, which the journal has.
        gate: Once it stops, the wait ends after `limits.grace_s`.
        limits: How long to wait.
        durations: Of the images before this one.

    Raises:
        StillInQueueError: If the request has not ended.
        ProviderError: If it ended without an image.
    """
    started = time.monotonic()
    ends, misses = started + limits.queue_wait_s, 0
    while True:
        try:
            state, misses = await provider.poll(ticket), 0
        except ProviderError as error:
            misses += 1
            if error.failure is FailureKind.TO_FETCH:  # it was made
                durations.note(time.monotonic() - started)
            state = _pending(error, misses, ticket, limits)
        now = time.monotonic()
        if not isinstance(state, Pending):
            durations.note(now - started)
            return state
        if gate.stopping.is_set():
            ends = min(ends, now + limits.grace_s)
        wait_s = _wait_s(state, now - started, durations)
        if misses:  # another look or two, and it is known to be lost
            await asyncio.sleep(wait_s)
            continue
        if now >= ends:
            waited = f"no image after {now - started:,.0f} s in the provider's queue ({state.words})"
            raise StillInQueueError(f"{waited}; {_stays(ticket)}")
        await asyncio.sleep(min(ends - now, wait_s))


def _pending(error: ProviderError, misses: int, ticket: Ticket, limits: Limits) -> Pending:
    """Return what passes as a reason to look again, and raise what does not."""
    if error.failure is FailureKind.UNREACHABLE and misses < limits.tries:
        return Pending(str(error), min(limits.longest_wait_s, limits.first_wait_s * 2.0**misses))
    if error.failure in STAYS:
        raise StillInQueueError(f"{error}; {_stays(ticket)}", error) from None
    if error.code == GONE and misses < UNKNOWN_TIMES:
        return Pending(str(error))
    raise error


def _wait_s(state: Pending, so_far_s: float, durations: Durations) -> float:
    own_s = min(LONGEST_LOOK_S, max(FIRST_LOOK_S, SHARE * so_far_s, durations.left_s(so_far_s)))
    return max(own_s, min(LONGEST_ASKED_S, state.wait_s or 0.0)) * random.uniform(1.0, 1.1)  # noqa: S311  spreads load


def _stays(ticket: Ticket) -> str:
    return f"request {ticket.id} stays there, and the next run asks for its image"
