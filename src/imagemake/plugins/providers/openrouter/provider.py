"""The `openrouter` provider: OpenRouter's image API, one request per call.

OpenRouter's own SDK is not used: it repeats a call after any status of 500 and above for up to an hour, and each may be
billed. Facts about the API come from the types of that SDK, version 1.3.84.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import (
    Connection,
    Dialect,
    FailureKind,
    ImageResponse,
    ProviderError,
    ReferenceProvider,
    SeedUse,
    ServerCheck,
)
from imagemake.plugins.providers.http.answers import image_of, parsed, read_again
from imagemake.plugins.providers.http.client import HttpAnswer, HttpClient
from imagemake.plugins.providers.openrouter.body import body_of
from imagemake.plugins.providers.openrouter.check import check_model
from imagemake.plugins.providers.openrouter.costs import cost_usd
from imagemake.plugins.providers.openrouter.errors import error_of, with_meaning
from imagemake.plugins.providers.openrouter.listing import list_models

if TYPE_CHECKING:
    from imagemake.plugins.providers.http.download import Downloads
    from imagemake.plugins.providers.listing import ModelList

OWN_BASE_URL = "https://openrouter.ai/api/v1"
JSON = {"Content-Type": "application/json"}
UNKNOWN_MODEL = Dialect(seed="seed")


class OpenRouterProvider(ReferenceProvider):
    """Generates images with any image model that OpenRouter offers.

    Args:
        connection: Its base_url includes ``/api/v1``.

    Raises:
        ProviderError: If the key of the server is not in the environment.
    """

    paid: ClassVar[bool] = True
    key_variable: ClassVar[str | None] = "OPENROUTER_API_KEY"
    domain: ClassVar[str | None] = "openrouter.ai"
    lists_facts: ClassVar[bool] = True

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        key = connection.key("OPENROUTER_API_KEY", "openrouter.ai")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if any(name.lower() == "authorization" for name in connection.headers):
            headers = {}
        address = connection.base_url or OWN_BASE_URL
        self._client = HttpClient(address, connection.timeout_s, {**headers, **connection.headers})

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Generate one image."""
        return await self.generate_from(recipe, {})

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Generate one image from reference images, which are sent as data URLs."""
        body = body_of(recipe, images, self._dialect(recipe.model))
        response = await self._client.send("POST", "images", content=body, headers=JSON)
        if response.status != 200:
            raise error_of(response)
        return _image_in(response)

    def seed_use(self, model: str) -> SeedUse:
        """The seed is sent, unless no endpoint of the model takes one."""
        return SeedUse.NOT_SENT if self._dialect(model).seed is None else SeedUse.SENT

    async def check(self, model: str) -> ServerCheck:
        """Look for a model in the server's list, and ask what is left of the key's limit, which costs nothing."""
        return await check_model(self._client, model)

    async def list_models(self) -> ModelList:
        """Ask for OpenRouter's image models: what each endpoint takes and costs."""
        return await list_models(self._client)

    async def read_again(self, body: bytes) -> ImageResponse:
        """Read a response that was kept, and fetch its image if it is at a URL."""
        answer = parsed(body)
        return _with_cost(await read_again(answer, body, self._downloads), answer)

    @cached_property
    def _downloads(self) -> Downloads:
        from imagemake.plugins.providers.http.download import Downloads

        return Downloads(self._client.base, self.connection.timeout_s)

    def _dialect(self, model: str) -> Dialect:
        return self.connection.dialect(model, UNKNOWN_MODEL)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _image_in(response: HttpAnswer) -> ImageResponse:
    answer = parsed(response.body)
    try:
        return _with_cost(image_of(answer, response.body, response.headers), answer)
    except ProviderError as error:
        if error.failure in (FailureKind.UNREADABLE, FailureKind.TO_FETCH):
            error.cost_usd = cost_usd(error.usage)
            raise
        raise with_meaning(error, answer) from None


def _with_cost(image: ImageResponse, answer: Any) -> ImageResponse:
    return replace(image, cost_usd=cost_usd(answer.get("usage")) if isinstance(answer, Mapping) else None)
