"""What a provider's error means for the request, and the error itself."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from imagemake.core.errors import ExitCode, ImagemakeError
from imagemake.core.known_secrets import redacted, redacted_bytes, redacted_value
from imagemake.core.text import printable

KEY_VARIABLE = "the environment variable that holds this server's key"  # `Provider.remedy_of` names it
NOT_FETCHED = "image_not_fetched"
"""Code of an `UNREADABLE` error whose image may still come from its URL."""
LONGEST_WORD = 200


class FailureKind(StrEnum):
    """What a provider's error means for the request.

    Attributes:
        REFUSED: This recipe will never be made, for example because of moderation. That is final for its key.
        CONFIGURATION: The route, the model, or a parameter is wrong. A second response tells whether all requests are
            concerned. The next run asks again.
        STOP: Nothing works until the user does something about key, payment, or organization.
        QUOTA: The quota or the credit is used up. Nothing works until the user does something, unless `model_rules`
            names another model.
        RATE_LIMITED: Nothing was made. Wait, then try again.
        UNAVAILABLE: Nothing was made. The same request can succeed later.
        UNREACHABLE: The request never left: nothing listens at the address, or the network is down.
        NOT_RETRYABLE: Nothing was made, and the same request cannot succeed in this run.
        UNKNOWN: The request was sent and no response came. It may have been billed.
        UNREADABLE: A response came and was billed, but holds no readable image.
        TO_FETCH: A response came and was billed. Its image is at a URL: keep the body, then call `read_again`.
    """

    REFUSED = "refused"
    CONFIGURATION = "configuration"
    STOP = "stop"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    UNREACHABLE = "unreachable"
    NOT_RETRYABLE = "not_retryable"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"
    TO_FETCH = "to_fetch"


STOPS = (FailureKind.STOP, FailureKind.QUOTA)
"""Failures that every call to this model meets until the user does something."""


class ProviderError(ImagemakeError):
    """A call that returned no image. Secrets that the server echoed are removed from all of it.

    Attributes:
        failure: What it means for the request.
        code: The provider's error code, such as ``moderation_blocked``.
        status: HTTP status; None without a response.
        request_id: The provider's ID of the call.
        retry_after_s: How long the provider asks to wait, in seconds.
        usage: Token counts as the provider reports them. A call that reports some was billed.
        cost_usd: What the call cost, where the provider says so.
        body: A response that could not be read. It was paid for, so it is kept.
        remedy: What the user can do, for `STOP` and `QUOTA`.
        headers: By lower-case name; only rate limits are read from them.
        limit: Which limit was reached, for `RATE_LIMITED`, as the headers ``x-ratelimit-remaining-*`` name it.
    """

    exit_code = ExitCode.STOPPED

    def __init__(
        self,
        message: str,
        failure: FailureKind,
        *,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        usage: Mapping[str, Any] | None = None,
        cost_usd: float | None = None,
        body: bytes | None = None,
        remedy: str | None = None,
        headers: Mapping[str, str] | None = None,
        limit: str | None = None,
    ) -> None:
        super().__init__(redacted(message))
        self.failure = failure
        self.code = _word(code)
        self.status = status
        self.request_id = _word(request_id)
        self.retry_after_s = retry_after_s
        self.usage = redacted_value(usage)
        self.cost_usd = cost_usd
        self.body = None if body is None else redacted_bytes(body)
        self.remedy = redacted(remedy or "")
        self.headers = redacted_value(headers or {})
        self.limit = _word(limit)


def _word(told: str | None) -> str | None:
    """Return a short text of a server, as a terminal and the journal can have it."""
    return None if told is None else printable(redacted(told))[:LONGEST_WORD]
