"""Translates OpenAI's responses and errors: what each one means, and what to do about it."""

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
    "key": f"Set the environment variable {KEY_VARIABLE} to a valid key.",
    "verify": "Verify your organization in the provider's settings, or use a model that does not require it.",
    "quota": "Raise the quota or the billing limit in the provider's settings, then run again; no image is lost.",
}


def image_in(body: bytes, headers: Mapping[str, str]) -> ImageResponse:
    """Extract the image's bytes from a response with status 200.

    Raises:
        ProviderError: `FailureKind.UNREADABLE`, with the body, if it contains no image.
    """
    request_id = headers.get("x-request-id")
    usage = None
    try:
        answer = orjson.loads(body)
        usage = answer.get("usage")
        image = base64.b64decode(answer["data"][0]["b64_json"], validate=True)
    except (orjson.JSONDecodeError, binascii.Error, AttributeError, KeyError, IndexError, TypeError) as error:
        raise ProviderError(
            f"the response contains no image: {type(error).__name__}: {error}",
            FailureKind.UNREADABLE,
            status=200,
            request_id=request_id,
            usage=usage,
            body=body,
            headers=dict(headers),
        ) from None
    return ImageResponse(image=image, request_id=request_id, usage=usage, headers=dict(headers))


def failure_of(status: int, code: str | None, error_type: str | None, message: str) -> tuple[FailureKind, str | None]:
    """Return what an error response means, and what the user can do if only they can fix it."""
    if code in QUOTA_CODES:
        return FailureKind.STOP, REMEDIES["quota"]
    if status == 401:
        return FailureKind.STOP, REMEDIES["key"]
    if status == 403:
        return FailureKind.STOP, REMEDIES["verify"] if "verif" in message else REMEDIES["key"]
    if status == 429:
        return FailureKind.RATE_LIMITED, None
    if status in (408, 409) or status >= 500:
        return FailureKind.UNKNOWN, None  # sent, and possibly generated and billed
    return FailureKind.REFUSED, None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long the server asks to wait, in seconds, preferring the header in milliseconds."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit_s)
        except (KeyError, ValueError):
            continue
    return None


def status_error(error: APIStatusError) -> ProviderError:
    """Translate a response with an error status."""
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
    """Translate the lack of a response."""
    cause = error.__cause__ or error
    name = type(cause).__name__
    unsent = name in UNSENT
    return ProviderError(
        f"{name}: {cause}".rstrip(": "),
        FailureKind.UNAVAILABLE if unsent else FailureKind.UNKNOWN,
        code="not_connected" if unsent else "no_answer",
    )
