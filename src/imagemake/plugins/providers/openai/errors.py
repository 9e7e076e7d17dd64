"""What OpenAI's errors mean: whose fault, and what to do."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson

from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError

if TYPE_CHECKING:
    from openai import APIStatusError


KEY_VARIABLE = "OPENAI_API_KEY"


QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached"}


UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")


REMEDIES = {
    "key": f"Put a valid key into the environment variable {KEY_VARIABLE}.",
    "verify": "Verify the organization in the provider's settings, or name a model that does not ask for it.",
    "quota": "Raise the quota or the billing limit in the provider's settings, then run again: nothing made is lost.",
}


def image_in(body: bytes, headers: Mapping[str, str]) -> ImageResponse:
    """Take the image's bytes out of an answer of status 200.

    Raises:
        ProviderError: `FailureKind.UNREADABLE`, with the body, where there is none.
    """
    request_id = headers.get("x-request-id")
    usage = None
    try:
        answer = orjson.loads(body)
        usage = answer.get("usage")
        image = base64.b64decode(answer["data"][0]["b64_json"], validate=True)
    except (orjson.JSONDecodeError, binascii.Error, AttributeError, KeyError, IndexError, TypeError) as error:
        raise ProviderError(
            f"the answer holds no image: {type(error).__name__}: {error}",
            FailureKind.UNREADABLE,
            status=200,
            request_id=request_id,
            usage=usage,
            body=body,
            headers=dict(headers),
        ) from None
    return ImageResponse(image=image, request_id=request_id, usage=usage, headers=dict(headers))


def failure_of(status: int, code: str | None, error_type: str | None, message: str) -> tuple[FailureKind, str | None]:
    """Say what an error answer means, and what the user can do where nothing else will help."""
    if code in QUOTA_CODES:
        return FailureKind.STOP, REMEDIES["quota"]
    if status == 401:
        return FailureKind.STOP, REMEDIES["key"]
    if status == 403:
        return FailureKind.STOP, REMEDIES["verify"] if "verif" in message else REMEDIES["key"]
    if status == 429:
        return FailureKind.RATE_LIMITED, None
    if status in (408, 409) or status >= 500:
        return FailureKind.UNKNOWN, None  # sent, and nobody says whether it was made and billed
    return FailureKind.REFUSED, None


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
        FailureKind.UNAVAILABLE if unsent else FailureKind.UNKNOWN,
        code="not_connected" if unsent else "no_answer",
    )
