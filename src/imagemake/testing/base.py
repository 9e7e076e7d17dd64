"""What all claims share: which provider is tested, and how an image is made with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from typing import Any, ClassVar

from imagemake.core.recipe import Json, Recipe
from imagemake.plugins.providers import Connection, FailureKind, ImageResponse, Provider, ProviderError, response_to
from imagemake.plugins.providers.queue import Pending, QueueProvider, Ticket

LONGEST_S = 20.0  # that any claim waits for a provider
POLL_S = 0.01


class Conformance:
    """A provider to test, and how it makes images.

    Attributes:
        provider: The provider's class.
        model: Name of a model.
        parameters: Parameters of every recipe.
        prompt: A prompt that the provider accepts.
        takes_mask: Whether reference images can have a mask.
    """

    provider: ClassVar[type[Provider]]
    model: ClassVar[str] = "model-1"
    parameters: ClassVar[Mapping[str, Json]] = {}
    prompt: ClassVar[str] = "A red mug"
    takes_mask: ClassVar[bool] = False

    def connection(self, **changes: Any) -> Connection:
        """Return how to reach the server; override it to add a `Dialect` or headers."""
        return Connection(**changes)

    def recipe(self, **changes: Any) -> Recipe:
        """Return a recipe."""
        fields = {"prompt": self.prompt, "seed": 7, "parameters": self.parameters, **changes}
        return Recipe("conformance", self.model, **fields)

    def make(
        self, recipe: Recipe, images: Mapping[str, bytes] | None = None, connection: Connection | None = None
    ) -> ImageResponse:
        """Make one image as a run does.

        Raises:
            ProviderError: If no image came.
        """

        async def inside() -> ImageResponse:
            provider = self.provider(connection or self.connection())
            try:
                async with asyncio.timeout(LONGEST_S):
                    return await image_by(provider, recipe, images or {})
            finally:
                await provider.close()

        return asyncio.run(inside())


async def image_by(provider: Provider, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
    """Make one image with a provider that runs: as a run does, by submitting and polling if its API is a queue."""
    if isinstance(provider, QueueProvider):
        return await received(provider, polled(provider, await provider.submit(recipe, images)))
    return await received(provider, response_to(provider, recipe, images))


async def received(provider: Provider, answer: Awaitable[ImageResponse]) -> ImageResponse:
    """Wait for a response, and fetch its image if it is at a URL."""
    try:
        return await answer
    except ProviderError as error:
        if error.failure is not FailureKind.TO_FETCH:
            raise
        assert error.body is not None, "an error of TO_FETCH must have the response as its body"
        fetched = await provider.read_again(error.body)
        return replace(fetched, request_id=error.request_id, usage=error.usage, headers=error.headers)


async def polled(provider: QueueProvider, ticket: Ticket) -> ImageResponse:
    """Poll a ticket, as the journal gives it back, until its request has ended."""
    kept = Ticket.from_dict(json.loads(json.dumps(ticket.as_dict())))
    while isinstance(found := await provider.poll(kept), Pending):
        await asyncio.sleep(POLL_S)
    return found


def picture(file_format: str, color: str = "teal", mode: str = "RGB") -> bytes:
    """Return a file that is changed by anything that decodes and encodes it: it has bytes that no decoder keeps."""
    from PIL import Image

    file = BytesIO()
    Image.new(mode, (64, 64), color).save(file, file_format)
    return file.getvalue() + b"\0conformance"


def by_digest(*files: bytes) -> dict[str, bytes]:
    """Return files by their SHA-256."""
    return {sha256(one).hexdigest(): one for one in files}
