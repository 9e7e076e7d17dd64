"""Claims on a provider whose API is a queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from imagemake.plugins.providers import ImageResponse, ProviderError
from imagemake.plugins.providers.queue import Pending, QueueProvider, Ticket
from imagemake.testing.api import Delivery, Response
from imagemake.testing.base import polled, received
from imagemake.testing.served import Served

T = TypeVar("T")


class QueueClaims(Served):
    """Claims on a provider whose API is a queue."""

    def test_a_poll_without_an_answer_is_repeated_and_nothing_is_submitted_again(self) -> None:
        """The request is paid for, and its ticket is in the journal."""
        self._need_queue()
        passing = iter((Response(delivery=Delivery.NOTHING), Response(503), Response(429), Response(500)))
        self._fail(lambda request: None if self.is_paid(request) else next(passing, None))
        assert self.make(self.recipe()).image == self.images.files[0]
        assert len(self._paid()) == 1
        assert next(passing, None) is None

    def test_a_ticket_is_enough_for_another_process(self) -> None:
        """After a kill, the next run polls what was submitted."""
        ticket = self._with_a_provider(lambda provider: provider.submit(self.recipe(), {}))
        assert ticket.id

        async def later(provider: QueueProvider) -> ImageResponse:
            return await received(provider, polled(provider, ticket))

        answer = self._with_a_provider(later)
        assert answer.image == self.images.files[0]
        assert len(self._paid()) == 1

    def test_a_ticket_whose_urls_lead_to_another_server_takes_no_key_there(self) -> None:
        """A response, or a journal that somebody edited, may name any URL."""
        ticket = self._with_a_provider(lambda provider: provider.submit(self.recipe(), {}))
        if not ticket.urls:
            pytest.skip("its tickets have no URLs")
        led = Ticket(ticket.id, dict.fromkeys(ticket.urls, f"{self.elsewhere.address}/0.png"))

        async def poll(provider: QueueProvider) -> ImageResponse | Pending | ProviderError:
            try:
                return await provider.poll(led)
            except ProviderError as error:
                return error

        self._with_a_provider(poll)
        assert not [one for one in self.elsewhere.requests if one.holds(self.key)]

    def _need_queue(self) -> None:
        if not issubclass(self.provider, QueueProvider):
            pytest.skip("the API is no queue")

    def _with_a_provider(self, act: Callable[[QueueProvider], Awaitable[T]]) -> T:
        self._need_queue()

        async def inside() -> T:
            provider = self.provider(self.connection())
            assert isinstance(provider, QueueProvider)
            try:
                return await act(provider)
            finally:
                await provider.close()

        return asyncio.run(inside())
