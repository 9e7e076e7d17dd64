"""Images in responses: read in every form in which servers send them, since each one is paid for.

An image is base64, or at a URL. For a URL, the response is kept on disk before anything is fetched; see `read_again`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from imagemake.core.known_secrets import redacted
from imagemake.core.text import printable
from imagemake.plugins.providers import NOT_FETCHED, FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.http.base64_images import DATA_URL, decoded
from imagemake.plugins.providers.http.error_text import request_id_of
from imagemake.plugins.providers.http.errors import REMEDIES, not_an_image

if TYPE_CHECKING:
    from imagemake.plugins.providers.http.download import Downloads

MAX_USAGE_LEVELS = 4
MODERATION = "respect_moderation"  # source: xai-sdk 1.21; False with an empty URL
MOST_LEVELS = 50  # of objects and lists in one another; OpenAI's and Google's responses have fewer than 10
MOST_TOKENS = 2**53  # what a number in JSON is sure to hold; the journal takes no integer beyond 64 bits
_B64_JSON = re.compile(rb'"b64_json"\s*:\s*"([^"\\]*(?:\\[/nr][^"\\]*)*)"')
_URL = re.compile(rb'"url"\s*:\s*("(?:[^"\\]|\\.){1,8192}")')


def image_in(body: bytes, headers: Mapping[str, str]) -> ImageResponse:
    """Take the images out of a response with status 200.

    Args:
        body: All of it.
        headers: By any spelling of their names.

    Raises:
        ProviderError: With the body if it was paid for: `FailureKind.TO_FETCH` if an image is at a URL, and
            `FailureKind.UNREADABLE` if there is no image. Another kind if the body is an error.
    """
    return image_of(parsed(body), body, {name.lower(): value for name, value in headers.items()})


def image_of(answer: Any, body: bytes, headers: Mapping[str, str]) -> ImageResponse:
    """Take the images out of a parsed response; see `image_in`.

    Args:
        answer: The parsed body; None if it is not JSON.
        body: All of it, to keep if it cannot be read.
        headers: By lower-case name.
    """
    usage = plain_usage(answer.get("usage")) if isinstance(answer, Mapping) else None
    request_id = request_id_of(headers)
    try:
        found = images_of(answer, body)
    except ValueError as unreadable:
        error = not_an_image(answer, body, headers)
        if error is not None:
            raise error from None
        if _is_withheld(answer):
            message, refusal = "the server's moderation withheld the image", FailureKind.REFUSED
            facts: dict[str, Any] = {"request_id": request_id, "usage": usage, "headers": headers}
            raise ProviderError(message, refusal, code=MODERATION, status=200, **facts) from None
        failure, message = FailureKind.UNREADABLE, f"the response holds no image: {unreadable}"
    else:
        images = [one for one in found if isinstance(one, bytes)]
        if len(images) == len(found):
            return ImageResponse(images[0], request_id, usage, headers, more=tuple(images[1:]))
        failure, message = FailureKind.TO_FETCH, "the response holds a URL"
    raise ProviderError(message, failure, status=200, request_id=request_id, usage=usage, body=body, headers=headers)


async def read_again(answer: Any, body: bytes, downloads: Downloads) -> ImageResponse:
    """Take the images out of a response that was kept, and fetch those that are at URLs.

    Args:
        answer: The parsed response; None if it is not JSON.
        body: All of it.
        downloads: Fetches images of this server.

    Raises:
        ProviderError: As `image_in`; `FailureKind.UNREADABLE` if the first image cannot be fetched.
    """
    from imagemake.plugins.providers.http.download import NotFetchedError

    try:
        return image_of(answer, body, {})
    except ProviderError as error:
        if error.failure is not FailureKind.TO_FETCH:
            raise
        usage, images = error.usage, list[bytes]()
    for one in images_of(answer, body):
        try:
            images.append(one if isinstance(one, bytes) else await downloads.image(one))
        except NotFetchedError as missing:
            if images:  # what is behind the first image is kept as far as it comes
                continue
            raise ProviderError(
                f"the image was paid for, but could not be fetched: {missing}",
                FailureKind.UNREADABLE,
                code=None if missing.is_gone else NOT_FETCHED,
                status=200,
                usage=usage,
                remedy=REMEDIES["url"],
            ) from None
    return ImageResponse(image=images[0], usage=usage, more=tuple(images[1:]))


def plain_usage(usage: Any, levels: int = MAX_USAGE_LEVELS) -> dict[str, Any] | None:
    """Keep what a journal can hold of a usage report: names with finite numbers or short texts, few levels deep."""
    if not isinstance(usage, Mapping):
        return None
    kept: dict[str, Any] = {}
    for name, value in usage.items():
        if isinstance(value, Mapping):
            inner = plain_usage(value, levels - 1) if levels > 1 else None
            if inner:
                kept[_plain(name)] = inner
        elif isinstance(value, bool | int | float):
            if abs(value) < MOST_TOKENS:  # which NaN is not either
                kept[_plain(name)] = int(value) if isinstance(value, float) and value.is_integer() else value
        elif isinstance(value, str):
            kept[_plain(name)] = _plain(value)
    return kept


def parsed(body: bytes) -> Any:
    """Parse JSON, with what its standard forbids and servers send: a byte order mark, and NaN.

    Returns:
        The parsed body; None if it is not JSON, or nested so deep that code which walks through it would fail.
    """
    bare = body.removeprefix(b"\xef\xbb\xbf")
    try:
        found = orjson.loads(bare)
    except orjson.JSONDecodeError:
        try:
            found = json.loads(bare)
        except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
            return None
    return None if _is_deep(found) else found


def _is_deep(data: Any) -> bool:
    level = [data]
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def images_of(answer: Any, body: bytes) -> list[bytes | str]:
    """Return the images of a response in their order, each as its bytes or its URL.

    Args:
        answer: The parsed body; None if it is not JSON.
        body: All of it.

    Raises:
        ValueError: If there is none that can be read.
    """
    if answer is None:
        return _images_in_text(body)
    if not isinstance(answer, Mapping) or not isinstance(answer.get("data"), list) or not answer["data"]:
        raise ValueError("it has no data")
    images: list[bytes | str] = []
    faults: list[ValueError] = []
    for one in answer["data"]:
        try:
            images.append(_image(one))
        except ValueError as error:
            faults.append(error)
    if not images:
        raise faults[0]
    return images


def _is_withheld(answer: Any) -> bool:
    """Return whether a response without an image says that moderation withheld it, as xAI's do."""
    entries = answer.get("data") if isinstance(answer, Mapping) else None
    told = [one.get(MODERATION) for one in entries if isinstance(one, Mapping)] if isinstance(entries, list) else []
    return any(one is False for one in told)


def _image(entry: Any) -> bytes | str:
    text, url = (entry.get("b64_json"), entry.get("url")) if isinstance(entry, Mapping) else (None, None)
    at = url.strip() if isinstance(url, str) else ""
    if isinstance(text, str) and (text.strip() or not at):
        try:
            return decoded(text)
        except ValueError:
            if not at:
                raise
    if not at:
        raise ValueError("its entry has neither b64_json nor a URL")
    return decoded(at) if DATA_URL.match(at) else at


def _images_in_text(body: bytes) -> list[bytes | str]:
    """Find the images of a response that is not JSON: they may still be whole."""
    found = _B64_JSON.findall(body)
    if found:
        plain = (one.replace(b"\\/", b"/").replace(b"\\n", b"").replace(b"\\r", b"") for one in found)
        return [decoded(one.decode("ascii", "replace")) for one in plain]
    entries = [{"url": json.loads(one)} for one in _URL.findall(body.replace(b"\r", b"").replace(b"\n", b""))]
    if not entries:
        raise ValueError("it is not JSON")
    return [_image(one) for one in entries]


def _plain(value: Any) -> str:
    # Redacted before it is cut: half a key is no known secret.
    return printable(redacted(str(value))[:200])
