"""The `gemini` provider: Google's Gemini API over plain HTTP.

Not through Google's SDK, which sends a request again on its own after a lost connection, follows redirects with the
key, drops responses that it cannot parse, and does not tell why a batch failed; see docs/explanation/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, ImageResponse, ReferenceProvider, ServerCheck
from imagemake.plugins.providers.gemini.answers import image_in, image_of
from imagemake.plugins.providers.gemini.batches import GeminiBatches
from imagemake.plugins.providers.gemini.client import KEY_VARIABLE, OWN_DOMAIN, GeminiClient, raise_error
from imagemake.plugins.providers.gemini.files import UploadedImages
from imagemake.plugins.providers.gemini.requests import body_of, inline_part, model_path
from imagemake.plugins.providers.http.answers import parsed
from imagemake.plugins.providers.http.clock import server_time


class GeminiProvider(GeminiBatches, ReferenceProvider):
    """Generates images with Gemini's image models.

    Args:
        connection: Only Google's own servers get ``GEMINI_API_KEY``.

    Raises:
        ProviderError: If the key of the server is not in the environment.
    """

    paid: ClassVar[bool] = True
    key_variable: ClassVar[str | None] = KEY_VARIABLE
    domain: ClassVar[str | None] = OWN_DOMAIN

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._client = GeminiClient(connection)
        self._images = UploadedImages()
        self._input_files = {}

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Generate one image; the server does its best to make the same one for the same seed."""
        return await self._generate(recipe, ())

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Generate one image from reference images, which stand before the prompt."""
        return await self._generate(recipe, [inline_part(images[digest]) for digest in recipe.references])

    async def _generate(self, recipe: Recipe, images: Sequence[Mapping[str, Any]]) -> ImageResponse:
        path = f"{model_path(recipe.model)}:generateContent"
        answer = await self._client.send("POST", path, json=body_of(recipe, images))
        raise_error(answer)
        return image_in(answer.body, answer.headers)

    async def read_again(self, body: bytes) -> ImageResponse:
        """Read a response or a line of a batch that was kept, with the code as it is now."""
        data = parsed(body)
        if isinstance(data, Mapping) and isinstance(data.get("key"), str):
            data = data.get("response")
        return image_of(data, body, {})

    async def check(self, model: str) -> ServerCheck:
        """Ask for a model, which costs nothing."""
        answer = await self._client.get(model_path(model))
        time = server_time(answer.headers)
        if answer.status == 404:
            return ServerCheck("the server does not know it", is_fault=True, time=time)
        raise_error(answer)
        data = parsed(answer.body)
        methods = data.get("supportedGenerationMethods") if isinstance(data, Mapping) else None
        if isinstance(methods, list) and "generateContent" not in methods:
            return ServerCheck("the server knows it, but it makes no images", True, time)
        return ServerCheck("the server knows it", time=time)

    def batch_request(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """Return the endpoint and the request of a recipe in a batch: the same as `generate` sends."""
        images = [self._images.part(digest) for digest in recipe.references]
        return f"{model_path(recipe.model)}:batchGenerateContent", body_of(recipe, images)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
