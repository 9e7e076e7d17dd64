"""The `openai` provider: any server that speaks OpenAI's image API, through the official SDK with its own retries off.

The SDK would repeat a call after a time-out without a word, and both may be billed; so each call here is one request,
and `imagemake.stages.generate.job`, which writes every try into the journal, decides about the next.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError, ReferenceProvider
from imagemake.plugins.providers.openai.batches import OpenAIBatches
from imagemake.plugins.providers.openai.errors import KEY_VARIABLE, REMEDIES, connection_error, image_in, status_error
from imagemake.plugins.providers.openai.images import UploadedImages, file_tuple

if TYPE_CHECKING:
    from openai._legacy_response import LegacyAPIResponse
    from openai.types import ImagesResponse

OWN_BASE_URL = "https://api.openai.com/v1"


class OpenAIProvider(OpenAIBatches, ReferenceProvider):
    """Makes images with OpenAI's image models, and with servers that speak the same API.

    Args:
        base_url: Address of a compatible server, up to and with ``/v1``; None for OpenAI's own.
        timeout_s: Longest wait for one answer, in seconds.

    Raises:
        ProviderError: If no API key is in the environment and the server is OpenAI's own.
    """

    paid: ClassVar[bool] = True

    def __init__(self, *, base_url: str | None, timeout_s: float) -> None:
        from openai import AsyncOpenAI

        super().__init__(base_url=base_url, timeout_s=timeout_s)
        self._images = UploadedImages()
        key = os.environ.get(KEY_VARIABLE)
        if not key and base_url is None:
            raise ProviderError(f"{KEY_VARIABLE} is not set", FailureKind.STOP, code="no_key", remedy=REMEDIES["key"])
        # The SDK refuses to start without a key; a server of one's own may not ask for one.
        self._client = AsyncOpenAI(
            api_key=key or "none", base_url=base_url or OWN_BASE_URL, timeout=timeout_s, max_retries=0
        )

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Make one image; the seed is not sent, because the API has none."""
        api = self._client.images.with_raw_response
        return await self._answer(
            lambda: api.generate(prompt=recipe.prompt, model=recipe.model, extra_body=_extra(recipe))
        )

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Make one image from reference images; their files' own names are not sent."""
        from openai import omit

        api = self._client.images.with_raw_response
        references = [file_tuple(f"reference-{n}", images[name]) for n, name in enumerate(recipe.references, 1)]
        mask = omit if recipe.mask is None else file_tuple("mask", images[recipe.mask])
        return await self._answer(
            lambda: api.edit(
                image=references, mask=mask, prompt=recipe.prompt, model=recipe.model, extra_body=_extra(recipe)
            )
        )

    async def _answer(self, ask: Callable[[], Awaitable[LegacyAPIResponse[ImagesResponse]]]) -> ImageResponse:
        import openai

        try:
            # The SDK's own time-out is for each read: an answer that trickles in would never reach it.
            async with asyncio.timeout(self.timeout_s):
                response = await ask()
        except TimeoutError:
            message = f"no whole answer within {self.timeout_s:g} s"
            raise ProviderError(message, FailureKind.UNKNOWN, code="no_answer") from None
        except openai.APIStatusError as error:
            raise status_error(error) from None
        except openai.APIConnectionError as error:  # time-outs are among them
            raise connection_error(error) from None
        return image_in(response.content, response.headers)

    def batch_request(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """Return the endpoint and the body of a recipe's line in a batch: what `generate` sends."""
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
