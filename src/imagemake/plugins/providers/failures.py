"""What a provider's error means for the request, and the error itself."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from imagemake.core.errors import ExitCode, ImagemakeError
from imagemake.core.known_secrets import redacted, redacted_bytes, redacted_value

NOT_FETCHED = "image_not_fetched"  # code of `FailureKind.UNREADABLE` where the image may still come from its URL


class FailureKind(StrEnum):
    """What a provider's error means for the request."""

    # About the prompt, or other values of this request alone.
    REFUSED = "refused"  # this recipe will never be made, such as by moderation: final for its key
    # About the account or the configuration: nothing is final, and the next run asks again.
    CONFIGURATION = "configuration"  # route, model, or parameter: a second response tells whether all are concerned
    STOP = "stop"  # nothing works until the user does something: key, quota, payment, organization
    # About the moment.
    RATE_LIMITED = "rate_limited"  # nothing was made; wait, then try again
    UNAVAILABLE = "unavailable"  # nothing was made; the same request can succeed later
    UNREACHABLE = "unreachable"  # the request never left: nothing listens at the address, or the network is down
    NOT_RETRYABLE = "not_retryable"  # nothing was made, and the same request cannot succeed in this run
    UNKNOWN = "unknown"  # the request was sent and no response came: it may have been billed
    UNREADABLE = "unreadable"  # a response came, was billed, and holds no readable image
    TO_FETCH = "to_fetch"  # a response came, was billed, and its image is at a URL: keep the body, then `read_again`


class ProviderError(ImagemakeError):
    """A call that returned no image. Secrets that the server echoed are removed from all of it.

    Attributes:
        failure: What it means for the request.
        code: The provider's error code, such as ``moderation_blocked``.
        status: HTTP status; None without a response.
        request_id: The provider's ID of the call.
        retry_after_s: How long the provider asks to wait, in seconds.
        usage: Token counts as the provider reports them.
        body: A response that could not be read. It was paid for, so it is kept.
        remedy: What the user can do, for `STOP`.
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
        body: bytes | None = None,
        remedy: str | None = None,
        headers: Mapping[str, str] | None = None,
        limit: str | None = None,
    ) -> None:
        super().__init__(redacted(message))
        self.failure = failure
        self.code = redacted_value(code)
        self.status = status
        self.request_id = redacted_value(request_id)
        self.retry_after_s = retry_after_s
        self.usage = redacted_value(usage)
        self.body = None if body is None else redacted_bytes(body)
        self.remedy = redacted(remedy or "")
        self.headers = redacted_value(headers or {})
        self.limit = redacted_value(limit)
