"""The `openai` provider: any server that speaks OpenAI's image API, through the official SDK with its own retries off.

The SDK would repeat a call after a time-out without a word, and both may be billed; so each call here is one request,
and `imagemake.generate`, which writes every try into the journal, decides about the next.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from imagemake.providers import Answer, Failure, ProviderError
from imagemake.providers.openai_batches import OpenAIBatches
from imagemake.providers.openai_pictures import UploadedPictures, file_tuple
from imagemake.recipe import Recipe

if TYPE_CHECKING:
    from openai import APIStatusError
    from openai._legacy_response import LegacyAPIResponse
    from openai.types import ImagesResponse

OWN_BASE_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached"}
UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")
REMEDIES = {
    "key": f"Put a valid key into the environment variable {KEY_VARIABLE}.",
    "verify": "Verify the organization in the provider's settings, or name a model that does not ask for it.",
    "quota": "Raise the quota or the billing limit in the provider's settings, then run again: nothing made is lost.",
}


class OpenAIProvider(OpenAIBatches):
    """Makes pictures with OpenAI's image models, and with servers that speak the same API.

    Args:
        base_url: Address of a compatible server, up to and with ``/v1``; None for OpenAI's own.
        timeout_s: Longest wait for one answer, in seconds.

    Raises:
        ProviderError: If no API key is in the environment and the server is OpenAI's own.
    """

    paid: ClassVar[bool] = True

    def __init__(self, *, base_url: str | None, timeout_s: float) -> None:
        from openai import AsyncOpenAI

        self._timeout_s = timeout_s
        self._pictures = UploadedPictures()
        key = os.environ.get(KEY_VARIABLE)
        if not key and base_url is None:
            raise ProviderError(f"{KEY_VARIABLE} is not set", Failure.STOP, code="no_key", remedy=REMEDIES["key"])
        # The SDK refuses to start without a key; a server of one's own may not ask for one.
        self._client = AsyncOpenAI(
            api_key=key or "none", base_url=base_url or OWN_BASE_URL, timeout=timeout_s, max_retries=0
        )

    async def generate(self, recipe: Recipe) -> Answer:
        """Make one picture; the seed is not sent, because the API has none."""
        images = self._client.images.with_raw_response
        return await self._answer(
            lambda: images.generate(prompt=recipe.prompt, model=recipe.model, extra_body=_extra(recipe))
        )

    async def generate_from(self, recipe: Recipe, pictures: Mapping[str, bytes]) -> Answer:
        """Make one picture from reference pictures; their files' own names are not sent."""
        from openai import omit

        images = self._client.images.with_raw_response
        references = [file_tuple(f"reference-{n}", pictures[name]) for n, name in enumerate(recipe.references, 1)]
        mask = omit if recipe.mask is None else file_tuple("mask", pictures[recipe.mask])
        return await self._answer(
            lambda: images.edit(
                image=references, mask=mask, prompt=recipe.prompt, model=recipe.model, extra_body=_extra(recipe)
            )
        )

    async def _answer(self, ask: Callable[[], Awaitable[LegacyAPIResponse[ImagesResponse]]]) -> Answer:
        import openai

        try:
            # The SDK's own time-out is for each read: an answer that trickles in would never reach it.
            async with asyncio.timeout(self._timeout_s):
                response = await ask()
        except TimeoutError:
            message = f"no whole answer within {self._timeout_s:g} s"
            raise ProviderError(message, Failure.UNKNOWN, code="no_answer") from None
        except openai.APIStatusError as error:
            raise status_error(error) from None
        except openai.APIConnectionError as error:  # time-outs are among them
            raise connection_error(error) from None
        return picture_in(response.content, response.headers)

    def batch_request(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """Return the endpoint and the body of a recipe's line in a batch: what `generate` sends."""
        body = {**_extra(recipe), "prompt": recipe.prompt, "model": recipe.model}
        if recipe.references:
            return "/v1/images/edits", {**body, **self._pictures.fields(recipe)}
        return "/v1/images/generations", body

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _extra(recipe: Recipe) -> dict[str, Any]:
    extra: dict[str, Any] = dict(recipe.parameters)
    if recipe.negative_prompt is not None:
        extra["negative_prompt"] = recipe.negative_prompt
    return extra


def picture_in(body: bytes, headers: Mapping[str, str]) -> Answer:
    """Take the picture's bytes out of an answer of status 200.

    Raises:
        ProviderError: `Failure.UNREADABLE`, with the body, where there is none.
    """
    request_id = headers.get("x-request-id")
    usage = None
    try:
        answer = orjson.loads(body)
        usage = answer.get("usage")
        picture = base64.b64decode(answer["data"][0]["b64_json"], validate=True)
    except (orjson.JSONDecodeError, binascii.Error, AttributeError, KeyError, IndexError, TypeError) as error:
        raise ProviderError(
            f"the answer holds no picture: {type(error).__name__}: {error}",
            Failure.UNREADABLE,
            status=200,
            request_id=request_id,
            usage=usage,
            body=body,
            headers=dict(headers),
        ) from None
    return Answer(picture=picture, request_id=request_id, usage=usage, headers=dict(headers))


def failure_of(status: int, code: str | None, error_type: str | None, message: str) -> tuple[Failure, str | None]:
    """Say what an error answer means, and what the user can do where nothing else will help."""
    if code in QUOTA_CODES:
        return Failure.STOP, REMEDIES["quota"]
    if status == 401:
        return Failure.STOP, REMEDIES["key"]
    if status == 403:
        return Failure.STOP, REMEDIES["verify"] if "verif" in message else REMEDIES["key"]
    if status == 429:
        return Failure.RATE_LIMITED, None
    if status in (408, 409) or status >= 500:
        return Failure.UNKNOWN, None  # sent, and nobody says whether it was made and billed
    return Failure.REFUSED, None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read how long the server asks to wait, in seconds; milliseconds are the more exact header."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit_s)
        except (KeyError, ValueError):
            continue
    return None


def status_error(error: APIStatusError) -> ProviderError:
    """Say what an answer with an error status means."""
    message = str(error.message)
    failure, remedy = failure_of(error.status_code, error.code, error.type, message)
    headers = error.response.headers
    return ProviderError(
        message,
        failure,
        code=error.code or error.type,
        status=error.status_code,
        request_id=error.request_id,
        retry_after_s=retry_after_s(headers),
        remedy=remedy,
        headers=dict(headers),
        limit=error.type,
    )


def connection_error(error: Exception) -> ProviderError:
    """Say what it means that no answer came."""
    cause = error.__cause__ or error
    name = type(cause).__name__
    unsent = name in UNSENT
    return ProviderError(
        f"{name}: {cause}".rstrip(": "),
        Failure.UNAVAILABLE if unsent else Failure.UNKNOWN,
        code="not_connected" if unsent else "no_answer",
    )
