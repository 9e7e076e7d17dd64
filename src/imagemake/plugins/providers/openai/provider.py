"""The `openai` provider: any server with OpenAI's image API, through the official SDK without its retries.

The SDK would silently repeat a call after a timeout, and both may be billed. Here, each call is one request, and
`imagemake.stages.generate.job`, which records each call in the journal, decides about retries.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError, ReferenceProvider, ServerCheck
from imagemake.plugins.providers.http.answers import image_in, parsed, read_again
from imagemake.plugins.providers.openai.batches import OpenAIBatches, body_of
from imagemake.plugins.providers.openai.check import check_model
from imagemake.plugins.providers.openai.errors import KEY_VARIABLE, connection_error, status_error
from imagemake.plugins.providers.openai.images import UploadedImages, file_tuple

if TYPE_CHECKING:
    from openai._legacy_response import LegacyAPIResponse
    from openai.types import ImagesResponse

    from imagemake.plugins.providers.http.download import Downloads

OWN_BASE_URL = "https://api.openai.com/v1"


class OpenAIProvider(OpenAIBatches, ReferenceProvider):
    """Generates images with OpenAI's image models, or with any server that has the same API.

    Args:
        base_url: Address of a compatible server, including ``/v1``; None for OpenAI's own. Every call sends its query.
        timeout_s: Longest wait for a response, in seconds.

    Raises:
        ProviderError: If the environment has no API key and the server is OpenAI's own.
    """

    paid: ClassVar[bool] = True
    key_variable: ClassVar[str | None] = KEY_VARIABLE

    def __init__(self, *, base_url: str | None, timeout_s: float) -> None:
        from openai import AsyncOpenAI

        super().__init__(base_url=base_url, timeout_s=timeout_s)
        self._images = UploadedImages()
        key = os.environ.get(KEY_VARIABLE)
        if not key and base_url is None:
            remedy = f"Set the environment variable {KEY_VARIABLE} to a valid key."
            raise ProviderError(f"{KEY_VARIABLE} is not set", FailureKind.STOP, code="no_key", remedy=remedy)
        # The SDK requires a key; a compatible server may not.
        # It would also append paths to the query of an address.
        address, _, query = (base_url or OWN_BASE_URL).partition("?")
        self._address = address
        self._client = AsyncOpenAI(
            api_key=key or "none",
            base_url=address,
            default_query=dict(parse_qsl(query, keep_blank_values=True)),
            timeout=timeout_s,
            max_retries=0,
        )

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Generate one image; the seed is not sent, because the API has none."""
        api = self._client.images.with_raw_response
        return await self._answer(
            lambda: api.generate(prompt=recipe.prompt, model=recipe.model, extra_body=_extra(recipe))
        )

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Generate one image from reference images; their file names are not sent."""
        from openai import omit

        api = self._client.images.with_raw_response
        references = [file_tuple(f"reference-{n}", images[name]) for n, name in enumerate(recipe.references, 1)]
        mask = omit if recipe.mask is None else file_tuple("mask", images[recipe.mask])
        return await self._answer(
            lambda: api.edit(
                image=references, mask=mask, prompt=recipe.prompt, model=recipe.model, extra_body=_extra(recipe)
            )
        )

    async def check(self, model: str) -> ServerCheck:
        """Look for a model in the server's list of models, which costs nothing."""
        return await check_model(self._client, model, self.timeout_s)

    async def _answer(self, ask: Callable[[], Awaitable[LegacyAPIResponse[ImagesResponse]]]) -> ImageResponse:
        import openai

        try:
            # The SDK's timeout applies to each read, so a slow but steady response would never reach it.
            async with asyncio.timeout(self.timeout_s):
                response = await ask()
        except TimeoutError:
            message = f"no complete response within {self.timeout_s:g} s"
            raise ProviderError(message, FailureKind.UNKNOWN, code="no_answer") from None
        except openai.APIStatusError as error:
            raise status_error(error) from None
        except openai.APIConnectionError as error:  # includes timeouts
            raise connection_error(error) from None
        return image_in(response.content, response.headers)

    async def read_again(self, body: bytes) -> ImageResponse:
        """Read a response or a line of a batch that was kept, and fetch its image if it is at a URL."""
        return await read_again(body_of(parsed(body)), body, self._downloads)

    @cached_property
    def _downloads(self) -> Downloads:
        from imagemake.plugins.providers.http.download import Downloads

        return Downloads(self._address, self.timeout_s)

    def batch_request(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """Return the endpoint and the body of a recipe's line in a batch: the same as `generate` sends."""
        body = {**_extra(recipe), "prompt": recipe.prompt, "model": recipe.model}
        if recipe.references:
            return "/v1/images/edits", {**body, **self._images.fields(recipe)}
        return "/v1/images/generations", body

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _extra(recipe: Recipe) -> dict[str, Any]:
    extra: dict[str, Any] = dict(recipe.parameters)
    if recipe.negative_prompt is not None:
        extra["negative_prompt"] = recipe.negative_prompt
    return extra
