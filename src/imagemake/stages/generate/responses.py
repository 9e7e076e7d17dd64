"""The response to a call: from a provider that answers at once, or from its queue, where the journal has the ticket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from imagemake.config.models import Model
from imagemake.config.run import Limits
from imagemake.plugins.providers import FailureKind, ImageResponse, Provider, ProviderError, response_to
from imagemake.plugins.providers.queue import NamingQueueProvider, QueueProvider, Ticket
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.keeping import Keeper
from imagemake.stages.generate.queued import Durations, wait_in_queue
from imagemake.store.items import Item


@dataclass(frozen=True, slots=True)
class Running:
    """A call that the journal has, and that has not ended.

    Attributes:
        call: Its ID.
        item: The item that it is for.
        model: The model table's entry, or None.
        keeper: Keeps what it returns.
        started: When it started, in seconds of Unix time.
        reserved: What was reserved for it; None if an earlier run did.
    """

    call: str
    item: Item
    model: Model | None
    keeper: Keeper
    started: float
    reserved: Decimal | None = None


@dataclass(slots=True)
class Responses:
    """Gets the responses to calls.

    Attributes:
        provider: The provider that sends them.
        gate: Once it stops, waits in a queue end soon.
        limits: Has the longest wait in a queue.
        in_queue: Calls that were submitted to the provider's queue and have not ended.
    """

    provider: Provider
    gate: Gate
    limits: Limits
    in_queue: int = 0
    _durations: Durations = field(default_factory=Durations)

    async def of(self, running: Running, images: Mapping[str, bytes]) -> ImageResponse:
        """Send the request of a call, and wait for its response.

        Args:
            running: The call.
            images: The content of each reference image by SHA-256.

        Raises:
            ProviderError: If no image came.
            StillInQueueError: If the request stays in the provider's queue.
        """
        if not isinstance(self.provider, QueueProvider):
            return await response_to(self.provider, running.item.recipe, images)
        if isinstance(self.provider, NamingQueueProvider):
            return await self._of_named(self.provider, running, images)
        ticket = await self.provider.submit(running.item.recipe, images)
        await self._has_ticket(running, ticket)
        return await self.queued(ticket)

    async def _of_named(
        self, provider: NamingQueueProvider, running: Running, images: Mapping[str, bytes]
    ) -> ImageResponse:
        ticket = await provider.name(running.item.recipe, images)
        await self._has_ticket(running, ticket)
        try:
            await provider.submit_named(ticket, running.item.recipe, images)
        except ProviderError as error:
            if error.failure is not FailureKind.UNKNOWN:
                self.in_queue -= 1
                raise
            # The queue knows whether the request arrived.
        return await self.queued(ticket)

    async def _has_ticket(self, running: Running, ticket: Ticket) -> None:
        await running.keeper.submitted(running.call, running.item.key, ticket.as_dict())
        self.in_queue += 1  # before a cancellation is heard of: the next run finds the call
        running.keeper.end()

    async def queued(self, ticket: Ticket) -> ImageResponse:
        """Wait for the response to a request that is in the provider's queue; raises what `of` does."""
        assert isinstance(self.provider, QueueProvider)
        try:
            answer = await wait_in_queue(self.provider, ticket, self.gate, self.limits, self._durations)
        except ProviderError:
            self.in_queue -= 1
            raise
        self.in_queue -= 1
        return answer
