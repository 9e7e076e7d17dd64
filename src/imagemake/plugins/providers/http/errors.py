"""What an error response means: about the prompt, the account or configuration, or the moment.

Sources: the errors that OpenAI's SDK and documentation name, and those that servers speaking the same API send
(OpenRouter, Azure, Together, LiteLLM, vLLM, FastAPI, Cloudflare in front of any of them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.failures import KEY_VARIABLE
from imagemake.plugins.providers.http.error_text import Told, read_error, request_id_of, retry_after_s

REMEDIES = {
    "key": f"Set {KEY_VARIABLE} to a valid key.",
    "verify": "Verify your organization in the provider's settings, or use a model that does not require it.",
    "quota": "Raise the quota or add credit in the provider's settings, then run again; no image is lost.",
    "model": "Correct model.name in config.yaml, and check that your account has access to this model.",
    "url": "It is in store/unreadable, and the next run tries again before it pays for anything. "
    "If the server can send base64, ask for it under model.parameters.",
    "proxy": "Put a valid user name and password into HTTP_PROXY: http://USER:PASSWORD@HOST:PORT.",
    "configuration": "Check model.base_url, model.name, and model.parameters in config.yaml, then run again.",
}

# Money: waiting does not help.
_QUOTA_CODES = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "credit_balance_exhausted",
    "project_spend_limit_exceeded",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "insufficient_credits",
    "payment_required",
    "budget_exceeded",  # LiteLLM
}
# LiteLLM passes OpenAI's words on without its codes. Google says the first of them about rates too, with another link.
_QUOTA_WORDS = re.compile(
    r"billing hard limit|exceeded your current quota.{0,200}platform\.openai\.com"
    rf"|insufficient (?:balance|credits?|funds)|\b(?:{'|'.join(sorted(_QUOTA_CODES))})\b",
    re.IGNORECASE | re.DOTALL,
)
_CONTENT = re.compile(
    r"moderation|content[_ ]?(?:policy|filter)|safety|sensitive[_ ]content|flagged|nsfw|prohibited[_ ]content"
    r"|input_filtered",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(?:api[ _-]?key|access token|credentials?|authorization)\b.{0,40}\b(?:not valid|invalid|incorrect|missing|expired"
    r"|required|revoked)|(?:invalid|incorrect|missing|expired|no|wrong)\b.{0,20}\b(?:api[ _-]?key|access token"
    r"|authorization|credentials)|no_db_connection",  # what LiteLLM without a database says about an unknown key
    re.IGNORECASE | re.DOTALL,
)
_MODEL = re.compile(
    r"model_?not_?found|deploymentnotfound|unknown_model|invalid_model|\bmodel\b.{0,120}\b(?:does not exist|not found"
    r"|not exist|unknown|not supported|not available|no access)|no such model|(?:unknown|invalid) model",
    re.IGNORECASE | re.DOTALL,
)
# What belongs to one request alone: another request may be fine.
_OWN_VALUES = re.compile(r"^(?:body\.)?(?:prompt|negative_prompt|input|image|mask|seed)(?:$|[.\[])")
# Cloudflare's answers where nothing reached the server behind it.
_NEVER_ARRIVED = range(520, 524)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error response means.

    Attributes:
        failure: What it means for the request.
        remedy: What the user can do; None where there is nothing to do or the message says it.
    """

    failure: FailureKind
    remedy: str | None = None


def is_about_content(words: str) -> bool:
    """Return whether words, such as a code and a message, say that a filter refused what a request says or shows."""
    return bool(_CONTENT.search(words))


def meaning_of(  # noqa: PLR0911  one line per kind, in the order in which they decide
    status: int, told: Told, headers: Mapping[str, str] | None = None
) -> Meaning:
    """Decide what an error response means.

    Args:
        status: HTTP status.
        told: What the body says.
        headers: By lower-case name.
    """
    words = " ".join(filter(None, (told.code, told.type, told.message)))
    codes = {(told.code or "").lower(), (told.type or "").lower()}
    if status == 402 or codes & _QUOTA_CODES or (400 <= status < 500 and _QUOTA_WORDS.search(words)):
        return Meaning(FailureKind.QUOTA, REMEDIES["quota"])
    if status == 429:
        return Meaning(FailureKind.RATE_LIMITED)
    if status in (408, 409):
        return Meaning(FailureKind.UNKNOWN)  # sent, and nobody says whether it was made and billed
    if status >= 500:
        arrived = not (status in _NEVER_ARRIVED or (status == 503 and "retry-after" in (headers or {})))
        return Meaning(FailureKind.UNKNOWN if arrived else FailureKind.UNAVAILABLE)
    if status == 401:
        return Meaning(FailureKind.STOP, REMEDIES["key"])
    if status == 407:
        return Meaning(FailureKind.STOP, REMEDIES["proxy"])
    if is_about_content(words):
        return Meaning(FailureKind.REFUSED)
    if status == 403:
        return Meaning(FailureKind.STOP, REMEDIES["verify" if "verif" in words.lower() else "key"])
    if _KEY.search(words):
        return Meaning(FailureKind.STOP, REMEDIES["key"])
    if status in (400, 413, 422) and told.param and _OWN_VALUES.match(told.param):
        return Meaning(FailureKind.REFUSED)
    if _MODEL.search(words) or told.param == "model":
        return Meaning(FailureKind.CONFIGURATION, REMEDIES["model"])
    return Meaning(FailureKind.CONFIGURATION, REMEDIES["configuration"])


def error_of(status: int, body: bytes, headers: Mapping[str, str]) -> ProviderError:
    """Turn an error response into a `ProviderError`.

    Args:
        status: HTTP status.
        body: All of it.
        headers: By lower-case name.
    """
    told = read_error(body)
    meaning = meaning_of(status, told, headers)
    return ProviderError(
        f"{told.message or 'no message'} (HTTP {status})",
        meaning.failure,
        code=told.code or told.type,
        status=status,
        request_id=request_id_of(headers),
        retry_after_s=retry_after_s(headers),
        remedy=meaning.remedy,
        headers=headers,
        limit=told.type,
    )


def not_an_image(answer: Any, body: bytes, headers: Mapping[str, str]) -> ProviderError | None:
    """Return the error of a response with status 200 that is an error all the same; None if it may hold an image.

    An ``error`` in the body, a page of HTML, and an empty body were not billed: whoever answered is not the model.
    """
    has_error = isinstance(answer, Mapping) and answer.get("error")
    is_page = answer is None and (not body.strip() or body.lstrip()[:1] == b"<")
    if not has_error and not is_page:
        return None
    told = read_error(body)
    inner = int(told.code) if told.code and re.fullmatch(r"[45]\d\d", told.code) else None
    meaning = meaning_of(inner, told) if inner else Meaning(FailureKind.CONFIGURATION, REMEDIES["configuration"])
    if not inner and is_about_content(" ".join(filter(None, (told.code, told.type, told.message)))):
        meaning = Meaning(FailureKind.REFUSED)
    what = told.message or "the body is empty"
    return ProviderError(
        f"{what} (HTTP 200, and no image)",
        meaning.failure,
        code=told.code or told.type,
        status=200,
        request_id=request_id_of(headers),
        remedy=meaning.remedy,
        headers=headers,
    )
