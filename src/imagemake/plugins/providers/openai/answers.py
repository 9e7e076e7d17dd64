"""Images in responses: read in every form in which servers send them, since each one is paid for."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from imagemake.core.known_secrets import redacted_value
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.openai.errors import not_an_image

MAX_USAGE_LEVELS = 4
_B64_JSON = re.compile(rb'"b64_json"\s*:\s*"([^"\\]*(?:\\[/nr][^"\\]*)*)"')
_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")


def image_in(body: bytes, headers: Mapping[str, str]) -> ImageResponse:
    """Take the images out of a response with status 200.

    Args:
        body: All of it.
        headers: By any spelling of their names.

    Raises:
        ProviderError: `FailureKind.UNREADABLE`, with the body, if it was paid for and holds no readable image; another
            kind if the body is an error.
    """
    return image_of(_parsed(body), body, {name.lower(): value for name, value in headers.items()})


def image_of(answer: Any, body: bytes, headers: Mapping[str, str]) -> ImageResponse:
    """Take the images out of a parsed response; see `image_in`.

    Args:
        answer: The parsed body; None if it is not JSON.
        body: All of it, to keep if it cannot be read.
        headers: By lower-case name.
    """
    error = not_an_image(answer, body, headers)
    if error is not None:
        raise error
    usage = plain_usage(redacted_value(answer.get("usage"))) if isinstance(answer, Mapping) else None
    request_id = headers.get("x-request-id")
    try:
        first, *more = _images(answer, body)
    except (ValueError, TypeError, KeyError, AttributeError) as unreadable:
        raise ProviderError(
            f"the response holds no image: {unreadable}",
            FailureKind.UNREADABLE,
            status=200,
            request_id=request_id,
            usage=usage,
            body=body,
            headers=headers,
        ) from None
    return ImageResponse(image=first, request_id=request_id, usage=usage, headers=headers, more=tuple(more))


def decoded(text: str) -> bytes:
    """Decode base64 in any of its forms: with a data URL before it, in lines, without padding, or URL-safe.

    Raises:
        ValueError: If it is not base64.
    """
    prefix = _DATA_URL.match(text)
    bare = "".join(text[prefix.end() if prefix else 0 :].split()).translate(_URL_SAFE).rstrip("=")
    if not bare:
        raise ValueError("it is empty")
    try:
        return base64.b64decode(bare.encode("ascii") + b"=" * (-len(bare) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("it is not base64") from error


def plain_usage(usage: Any, levels: int = MAX_USAGE_LEVELS) -> dict[str, Any] | None:
    """Keep what a journal can hold of a usage report: names with finite numbers or short texts, few levels deep."""
    if not isinstance(usage, Mapping):
        return None
    kept: dict[str, Any] = {}
    for name, value in usage.items():
        if isinstance(value, Mapping):
            inner = plain_usage(value, levels - 1) if levels > 1 else None
            if inner:
                kept[str(name)] = inner
        elif isinstance(value, float) and math.isfinite(value):
            kept[str(name)] = int(value) if value.is_integer() else value
        elif isinstance(value, bool | int) and abs(value) < 2**53:
            kept[str(name)] = value
        elif isinstance(value, str):
            kept[str(name)] = value[:200]
    return kept


def _parsed(body: bytes) -> Any:
    """Parse JSON, with what its standard forbids and servers send: a byte order mark, NaN, deep nesting."""
    bare = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(bare)
    except orjson.JSONDecodeError:
        try:
            return json.loads(bare)
        except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
            return None


def _images(answer: Any, body: bytes) -> list[bytes]:
    if answer is None:  # not JSON: the images may still be whole
        found = _B64_JSON.findall(body)
        if not found:
            raise ValueError("it is not JSON")
        plain = (one.replace(b"\\/", b"/").replace(b"\\n", b"").replace(b"\\r", b"") for one in found)
        return [decoded(one.decode("ascii", "replace")) for one in plain]
    if not isinstance(answer, Mapping) or not isinstance(answer.get("data"), list) or not answer["data"]:
        raise ValueError("it has no data")
    images: list[bytes] = []
    for one in answer["data"]:
        text = one.get("b64_json") if isinstance(one, Mapping) else None
        if not isinstance(text, str):
            url = one.get("url") if isinstance(one, Mapping) else None
            text = url if isinstance(url, str) and _DATA_URL.match(url) else None
        if text is None:
            if images:  # what is behind the first image is kept as far as it can be read
                continue
            raise ValueError("its first entry has neither b64_json nor a data URL")
        try:
            images.append(decoded(text))
        except ValueError:
            if not images:
                raise
    return images
