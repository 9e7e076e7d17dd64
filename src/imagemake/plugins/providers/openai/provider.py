"""The `openai` provider: any server with OpenAI's image API, through the official SDK without its retries.

The SDK would silently repeat a call after a timeout, and both may be billed. Here, each call is one request, and
`imagemake.stages.generate.job`, which records each call in the journal, decides about retries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import (
    Connection,
    Dialect,
    ImageResponse,
    ModelList,
    ProviderError,
    ReferenceBatchProvider,
    ReferenceForm,
    ReferenceProvider,
    SeedUse,
    ServerCheck,
)
from imagemake.plugins.providers.connection import is_of_domain
from imagemake.plugins.providers.http.answers import image_in, parsed, read_again
from imagemake.plugins.providers.openai.azure import is_azure
from imagemake.plugins.providers.openai.batches import OpenAIBatches, body_of
from imagemake.plugins.providers.openai.check import check_model, list_models
from imagemake.plugins.providers.openai.client import OWN_DOMAIN, clients_of, whole_answer
from imagemake.plugins.providers.openai.costs import cost_in
from imagemake.plugins.providers.openai.errors import KEY_VARIABLE
from imagemake.plugins.providers.openai.images import UploadedImages, file_tuple
from imagemake.plugins.providers.openai.requests import fields_of, with_references

if TYPE_CHECKING:
    from httpx2 import Response
    from openai import AsyncOpenAI
    from openai._legacy_response import LegacyAPIResponse
    from openai.types import ImagesResponse

    from imagemake.plugins.providers.http.download import Downloads


MARKUP = "markup"


class OpenAIProvider(OpenAIBatches, ReferenceBatchProvider, ReferenceProvider):
    """Generates images with OpenAI's image models, or with any server that has the same API.

    Args:
        connection: Its base_url includes ``/v1``, and every call sends its query. Only OpenAI's own servers get
            ``OPENAI_API_KEY``, and nobody gets the SDK's variables for organization, project, and headers.

    Raises:
        ProviderError: If the key of the server is not in the environment.
    """

    paid: ClassVar[bool] = True
    key_variable: ClassVar[str | None] = KEY_VARIABLE
    domain: ClassVar[str | None] = OWN_DOMAIN

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._images = UploadedImages()
        self._address, self._clients = clients_of(connection)
        self._client = self._clients.first

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Generate one image; the seed is sent where the server is known to take one, which OpenAI's does not."""
        fields = self._fields(recipe)
        return await self._answer(
            lambda client: client.images.with_raw_response.generate(prompt=fields["prompt"], extra_body=fields)
        )

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Generate one image from reference images; their file names are not sent.

        The parameter ``mask_as: markup`` sends the mask as a markup, whose opaque pixels guide the edit.

        One is sent as ``image``, as in OpenAI's description; several as ``image[]``, as the SDK and OpenAI's examples
        spell it. Servers that want data URLs get them in JSON.
        """
        from openai import omit

        fields, form = self._fields(recipe), self.connection.dialect(recipe.model, Dialect()).references
        if form is not ReferenceForm.FILES:
            return await self._from_json(with_references(fields, recipe, images, form), form)
        references = [file_tuple(f"reference-{n}", images[name]) for n, name in enumerate(recipe.references, 1)]
        overlay = omit if recipe.mask is None else file_tuple("mask", images[recipe.mask])
        is_markup = recipe.mask is not None and fields.get("mask_as") == MARKUP
        if is_markup:
            del fields["mask_as"]
        return await self._answer(
            lambda client: client.images.with_raw_response.edit(
                image=references[0] if len(references) == 1 else references,
                mask=omit if is_markup else overlay,
                markup=overlay if is_markup else omit,
                prompt=fields["prompt"],
                extra_body=fields,
            )
        )

    async def upload_image(self, digest: str, content: bytes) -> None:
        """Upload an image that lines of batches refer to."""
        await self._images.upload(self._client, digest, content)

    async def _from_json(self, body: dict[str, Any], form: ReferenceForm) -> ImageResponse:
        import httpx2

        path = "/images/edits" if form is ReferenceForm.OBJECT else "/images/generations"
        return await self._answer(lambda client: client.post(path, body=body, cast_to=httpx2.Response))

    def seed_use(self, model: str) -> SeedUse:
        """The seed is sent where the model table names a field for it."""
        return SeedUse.NOT_SENT if self.connection.dialect(model, Dialect()).seed is None else SeedUse.SENT

    def _fields(self, recipe: Recipe) -> dict[str, Any]:
        return fields_of(recipe, self.connection.dialect(recipe.model, Dialect()))

    async def check(self, model: str) -> ServerCheck:
        """Look for a model in the server's list of models, which costs nothing."""
        deployed = is_azure(self._address)
        return await check_model(self._client, model, self.connection.timeout_s, names_deployment=deployed)

    async def list_models(self) -> ModelList | None:
        """Ask for the names of the server's models; OpenAI's API tells nothing else about them."""
        return await list_models(self._client, self.connection.timeout_s)

    async def _answer(
        self, ask: Callable[[AsyncOpenAI], Awaitable[LegacyAPIResponse[ImagesResponse] | Response]]
    ) -> ImageResponse:
        response = await whole_answer(self._clients, self.connection.timeout_s, ask)
        try:
            answer = image_in(response.content, response.headers)
            return replace(answer, cost_usd=self._cost(response, answer))
        except ProviderError as error:
            error.cost_usd = self._cost(response, error)
            raise

    def _cost(self, response: Any, answer: ImageResponse | ProviderError) -> float | None:
        return None if is_of_domain(self._address, OWN_DOMAIN) else cost_in(response.headers, answer.usage)

    async def read_again(self, body: bytes) -> ImageResponse:
        """Read a response or a line of a batch that was kept, and fetch its image if it is at a URL."""
        return await read_again(body_of(parsed(body)), body, self._downloads)

    @cached_property
    def _downloads(self) -> Downloads:
        from imagemake.plugins.providers.http.download import Downloads

        return Downloads(self._address, self.connection.timeout_s)

    def batch_request(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """Return the endpoint and the body of a recipe's line in a batch: the same as `generate` sends."""
        body = self._fields(recipe)
        if recipe.references:
            return "/v1/images/edits", {**body, **self._images.fields(recipe)}
        return "/v1/images/generations", body

    async def close(self) -> None:
        """Close the connections."""
        for pool in self._clients.all:
            await pool.client.close()
