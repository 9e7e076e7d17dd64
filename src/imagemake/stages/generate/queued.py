"""Wait for a request in a provider's queue.

The wait is bounded, but not the request: it stays in the queue, and the next run goes on waiting. Only a provider whose
requests end with the run is told to drop them when the run is stopped.
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
OF_GRACE = 0.8  # of `limits.grace_s`, before what still runs is taken out of the queue


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
        gate: Once it stops, the wait ends after `limits.grace_s`; see `QueueProvider.ends_with_run`.
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
        is_dropped = gate.stopping.is_set() and provider.ends_with_run
        if gate.stopping.is_set():
            ends = min(ends, now + limits.grace_s * (OF_GRACE if is_dropped else 1.0))
        wait_s = _wait_s(state, now - started, durations)
        if misses:  # another look or two, and it is known to be lost
            await asyncio.sleep(wait_s)
            continue
        if is_dropped and (now >= ends or not state.has_started):
            await _take_out(provider, ticket)
        if now >= ends:
            waited = f"no image after {now - started:,.0f} s in the provider's queue ({state.words})"
            raise StillInQueueError(f"{waited}; {_stays(ticket)}")
        await _rest(provider, ticket, min(ends - now, wait_s), gate)


async def _rest(provider: QueueProvider, ticket: Ticket, wait_s: float, gate: Gate) -> None:
    """Wait until the next look is due, or the run stops."""
    waits = [asyncio.ensure_future(provider.rest(ticket, wait_s))]
    if not gate.is_closed:
        waits.append(asyncio.ensure_future(gate.pause(wait_s)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()


async def _take_out(provider: QueueProvider, ticket: Ticket) -> None:
    """Take a request out of the queue; return if it has ended meanwhile, or nobody answers.

    Raises:
        ProviderError: If it was taken out; nothing was made.
    """
    try:
        await provider.cancel(ticket)
    except ProviderError:
        return
    message = f"request {ticket.id} was taken out of the queue, since the run was stopped"
    raise ProviderError(message, FailureKind.UNAVAILABLE, code="canceled")


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
