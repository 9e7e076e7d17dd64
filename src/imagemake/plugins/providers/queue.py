"""Providers whose API is a queue: submit a request, poll, and fetch the image.

A submitted request is paid for, whoever asks for its image later. So its ticket is in the journal before anything else
happens, and the next run polls it; see `imagemake.stages.generate.queued`.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from imagemake.core.known_secrets import redacted_value
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.provider import ReferenceProvider
from imagemake.plugins.providers.response import ImageResponse

__all__ = ["GONE", "NamingQueueProvider", "Pending", "QueueProvider", "Ticket"]

GONE = "gone"  # code of the error that says that the provider does not know a ticket
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request in a provider's queue.

    Attributes:
        id: The provider's ID of the request.
        urls: Where to ask, by what for, as the provider said; each was checked to lead to its servers. A provider may
            add what else it must know again.
    """

    id: str
    urls: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Remove secrets that the server echoed."""
        object.__setattr__(self, "id", redacted_value(self.id))
        object.__setattr__(self, "urls", redacted_value(dict(self.urls)))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for the journal."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make a ticket from the data of `as_dict`."""
        urls = data.get("urls")
        named = urls.items() if isinstance(urls, Mapping) else ()
        return cls(str(data.get("id", "")), {str(name): str(url) for name, url in named})


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that has not ended.

    Attributes:
        words: What the provider says, for people: ``in the queue, position 3``.
        wait_s: How long the provider asks to wait before the next look, in seconds; None if it does not say.
        has_started: Whether the image is being made, as far as is known.
    """

    words: str
    wait_s: float | None = None
    has_started: bool = True


class QueueProvider(ReferenceProvider):
    """A provider that puts requests into a queue.

    Attributes:
        ends_with_run: Whether a run that is stopped takes its requests out of the queue, since they are not paid for
            and would keep the user's own machine busy.
    """

    ends_with_run: ClassVar[bool] = False

    @abstractmethod
    async def submit(self, recipe: Recipe, images: Mapping[str, bytes]) -> Ticket:
        """Put a request into the queue, by exactly one call.

        Args:
            recipe: As for `generate_from`; it may have no reference images.
            images: The content of each reference image by SHA-256.

        Raises:
            ProviderError: If the request is in no queue, or nobody knows.
        """

    @abstractmethod
    async def poll(self, ticket: Ticket) -> Pending | ImageResponse:
        """Ask once what became of a request. What passes, such as a server that does not answer, is `Pending`.

        Raises:
            ProviderError: If the request ended without an image here. `TO_FETCH`, with the response as its body, if the
                image is at a URL. With the code `GONE` if the provider does not know the ticket: its image is lost.
                `STOP` or `UNREACHABLE` if the provider cannot be asked; the request stays in the queue.
        """

    @abstractmethod
    async def cancel(self, ticket: Ticket) -> None:
        """Take a request out of the queue; one that has started may go on, and be billed.

        Raises:
            ProviderError: If the provider does not say that it did.
        """

    async def rest(self, ticket: Ticket, wait_s: float) -> None:
        """Wait until the next look is due; less, if the provider hears meanwhile that the request has ended."""
        await asyncio.sleep(wait_s)

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Make one image without a journal: submit, and poll until the request has ended."""
        return await self.generate_from(recipe, {})

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Make one image from reference images without a journal."""
        ticket = await self.submit(recipe, images)
        while isinstance(found := await self.poll(ticket), Pending):
            await asyncio.sleep(found.wait_s or POLL_S)
        return found


class NamingQueueProvider(QueueProvider):
    """A queue whose requests are named by the client, so the journal has the ticket before anything is sent.

    Whatever kills the process, the next run finds the request, and submits it again only if it never arrived.
    """

    @abstractmethod
    async def name(self, recipe: Recipe, images: Mapping[str, bytes]) -> Ticket:
        """Return the ticket that a request will have; it is in no queue yet. Takes what `submit` takes.

        Raises:
            ProviderError: If it cannot be made, or no server takes it.
        """

    @abstractmethod
    async def submit_named(self, ticket: Ticket, recipe: Recipe, images: Mapping[str, bytes]) -> None:
        """Put the request of a ticket into the queue; see `submit`."""

    async def submit(self, recipe: Recipe, images: Mapping[str, bytes]) -> Ticket:
        """Name a request, and put it into the queue."""
        ticket = await self.name(recipe, images)
        await self.submit_named(ticket, recipe, images)
        return ticket
