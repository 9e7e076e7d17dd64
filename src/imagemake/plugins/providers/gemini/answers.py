"""Images in the responses of the Gemini API, and why there is none: a response with status 200 may hold no image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from imagemake.core.known_secrets import redacted
from imagemake.core.text import printable
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError, SeedUse
from imagemake.plugins.providers.gemini.errors import error_in_batch
from imagemake.plugins.providers.gemini.usage import usage_in
from imagemake.plugins.providers.http.answers import parsed
from imagemake.plugins.providers.http.base64_images import decoded
from imagemake.plugins.providers.http.errors import REMEDIES, not_an_image

# Why a model stopped. Source: `FinishReason` in google-genai 3.6.
_MODERATED = {"SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT", "BLOCKLIST", "SPII"}
_MODERATED |= {"ESCALATION", "MODEL_ARMOR", "LANGUAGE"}
_PASSING = {"OTHER", "IMAGE_OTHER", "MALFORMED_RESPONSE"}  # the same request can succeed
_ACCOUNT = "PUP_LIMITED_DISABLED"  # the account violated the policy on prohibited use
_NO_RATING = ("NEGLIGIBLE", "LOW", "HARM_PROBABILITY_UNSPECIFIED")
_DATA = re.compile(rb'"data"\s*:\s*"([A-Za-z0-9+/=_\\-]{64,})"')
_WORDS_SHOWN = 200


class _Parts(NamedTuple):
    images: list[bytes]
    thoughts: list[bytes]  # images that the model drew while it thought
    faults: list[str]
    words: str


def image_in(body: bytes, headers: Mapping[str, str]) -> ImageResponse:
    """Take the images out of a response with status 200.

    Args:
        body: All of it.
        headers: By lower-case name.

    Raises:
        ProviderError: If there is none. With the body if there may be one: `FailureKind.UNREADABLE`. Else why not:
            `FailureKind.REFUSED` for what a filter blocked, with its category.
    """
    return image_of(parsed(body), body, headers)


def image_of(answer: Any, body: bytes, headers: Mapping[str, str]) -> ImageResponse:
    """Take the images out of a parsed response; see `image_in`.

    Args:
        answer: The parsed response; None if it is not JSON.
        body: All of it, to keep if it cannot be read.
        headers: By lower-case name.
    """
    if not isinstance(answer, Mapping):
        return _image_in_text(answer, body, headers)
    if answer.get("error"):
        raise error_in_batch(answer["error"])
    parts, usage, request_id = _parts(answer), usage_in(answer), _word(answer.get("responseId"))
    if parts.images:
        more = (*parts.images[1:], *parts.thoughts)
        version = _word(answer.get("modelVersion"))
        return ImageResponse(
            parts.images[0], request_id, usage, headers, more, seed_use=SeedUse.SENT, model=version or None
        )
    facts: dict[str, Any] = {"status": 200, "request_id": request_id, "usage": usage, "headers": headers}
    if parts.faults or parts.thoughts:
        message = (
            f"the response holds no image: {'; '.join(parts.faults) or 'only what the model drew in its thoughts'}"
        )
        raise ProviderError(message, FailureKind.UNREADABLE, body=body, **facts)
    raise _why_not(answer, parts.words, facts)


def _parts(answer: Mapping[str, Any]) -> _Parts:
    found, words = _Parts([], [], [], ""), list[str]()
    for part in _all_parts(answer):
        if isinstance(part.get("text"), str) and not part.get("thought"):
            words.append(part["text"])
        blob = part.get("inlineData")
        if "fileData" in part:
            found.faults.append("it names a file")
        if not isinstance(blob, Mapping):
            continue
        try:
            image = decoded(blob["data"]) if isinstance(blob.get("data"), str) else b""
        except ValueError as error:
            found.faults.append(str(error))
            continue
        if image:
            (found.thoughts if part.get("thought") else found.images).append(image)
        else:
            found.faults.append("it is empty")
    return found._replace(words=" ".join(words))


def _all_parts(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for candidate in _candidates(answer):
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, Mapping) else None
        yield from (one for one in (parts if isinstance(parts, list) else ()) if isinstance(one, Mapping))


def _candidates(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    candidates = answer.get("candidates")
    return [one for one in (candidates if isinstance(candidates, list) else ()) if isinstance(one, Mapping)]


def _why_not(answer: Mapping[str, Any], words: str, facts: Mapping[str, Any]) -> ProviderError:
    """Return why a response has no image. Its tokens are billed all the same, as far as it reports some."""
    feedback = answer.get("promptFeedback")
    blocked = _word(feedback.get("blockReason")) if isinstance(feedback, Mapping) else ""
    if blocked and isinstance(feedback, Mapping):
        message = f"the prompt was blocked: {blocked}{_categories(feedback)}"
        return ProviderError(message, FailureKind.REFUSED, code=blocked, **facts)
    candidate = next(iter(_candidates(answer)), {})
    reason = _word(candidate.get("finishReason")) or "no reason"
    told = _shown(candidate.get("finishMessage")) or _shown(words)
    message = f"the response holds no image: {reason}{_categories(candidate)}{f', {told}' if told else ''}"
    if reason in _MODERATED:
        return ProviderError(message, FailureKind.REFUSED, code=reason, **facts)
    if reason == _ACCOUNT:
        return ProviderError(message, FailureKind.STOP, code=reason, remedy=REMEDIES["verify"], **facts)
    passing = reason in _PASSING or reason == "no reason"
    failure = FailureKind.UNAVAILABLE if passing else FailureKind.NOT_RETRYABLE
    return ProviderError(message, failure, code=None if reason == "no reason" else reason, **facts)


def _categories(rated: Mapping[str, Any]) -> str:
    """Return the categories of harm that a filter found, such as `` (SEXUALLY_EXPLICIT: HIGH)``."""
    ratings = rated.get("safetyRatings")
    found = [
        f"{_word(one.get('category')).removeprefix('HARM_CATEGORY_')}: {_word(one.get('probability')) or 'blocked'}"
        for one in (ratings if isinstance(ratings, list) else ())
        if isinstance(one, Mapping) and (one.get("blocked") or one.get("probability") not in (None, *_NO_RATING))
    ]
    return f" ({', '.join(found)})" if found else ""


def _image_in_text(answer: Any, body: bytes, headers: Mapping[str, str]) -> ImageResponse:
    """Find the image of a response that is not JSON: it may still be whole."""
    found = list[bytes]()
    for one in _DATA.findall(body) if answer is None else ():
        with suppress(ValueError):
            found.append(decoded(one.decode("ascii").replace("\\", "")))
    if found:
        return ImageResponse(found[0], None, None, headers, tuple(found[1:]), seed_use=SeedUse.SENT)
    error = not_an_image(answer, body, headers)
    if error is not None:
        raise error
    message = "the response holds no image: it is not JSON" if answer is None else "the response holds no image"
    raise ProviderError(message, FailureKind.UNREADABLE, status=200, body=body, headers=headers)


def _word(value: Any) -> str:
    return printable(redacted(value))[:200] if isinstance(value, str) else ""


def _shown(value: Any) -> str:
    text = _word(" ".join(value.split())) if isinstance(value, str) else ""
    return repr(text[:_WORDS_SHOWN]) if text else ""
