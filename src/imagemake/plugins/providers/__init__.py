"""Who makes images: one small protocol, one file a provider, found through the entry points `imagemake.providers`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from imagemake.core.recipe import Recipe
from imagemake.plugins.registry import load_plugin

BUILT_IN = {
    "openai": "imagemake.plugins.providers.openai.provider:OpenAIProvider",
    "preview": "imagemake.plugins.providers.preview:PreviewProvider",
}


class FailureKind(StrEnum):
    """What an error of a provider means for us."""

    REFUSED = "refused"  # this recipe will never be made (moderation, bad request): final for its key
    RATE_LIMITED = "rate_limited"  # nothing was made; wait, then try again
    UNAVAILABLE = "unavailable"  # nothing was made; the same try can succeed later
    NOT_RETRYABLE = "not_retryable"  # nothing was made, and the same try would not succeed in this run
    UNKNOWN = "unknown"  # the request was sent and no answer came: it may have been billed
    UNREADABLE = "unreadable"  # an answer came, was billed, and holds no image that could be read
    STOP = "stop"  # nothing will work until the user does something: key, quota, organization


@dataclass(frozen=True, slots=True)
class ImageResponse:
    """What a provider gave for one recipe.

    Attributes:
        image: The bytes of the image file as they came, not decoded by anybody yet.
        request_id: The provider's own name for the call, for its support and its bills.
        usage: Token counts as the provider reports them.
        headers: Lower-case names; only those about rate limits are read.
    """

    image: bytes
    request_id: str | None = None
    usage: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ProviderError(Exception):
    """A call that gave no image.

    Attributes:
        failure: What it means for us.
        code: The provider's own error code, such as ``moderation_blocked``.
        status: HTTP status, or None where there was no answer.
        retry_after_s: How long the provider asks to wait, in seconds.
        body: What came, where it could not be read; it was paid for, so it is kept.
        remedy: What the user can do, for `STOP`.
        limit: Which limit was reached, for `RATE_LIMITED`, as the headers ``x-ratelimit-remaining-*`` name it.
    """

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
        super().__init__(message)
        self.failure = failure
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.usage = usage
        self.body = body
        self.remedy = remedy
        self.headers = headers or {}
        self.limit = limit


class Provider(Protocol):
    """Makes images from recipes.

    Attributes:
        paid: Whether a call costs money: its bytes are then forced to disk before anything else happens.
        trained: Optional; False where no trained model makes the images: released files then do not say that AI did.
    """

    paid: ClassVar[bool]

    def __init__(self, *, base_url: str | None, timeout_s: float) -> None:
        """Take the server's address (None for the provider's own) and the longest wait for one answer, in seconds."""

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Make one image.

        Raises:
            ProviderError: If there is none; it says what that means.
        """

    async def close(self) -> None:
        """Let go of connections."""


def provider_class(name: str) -> type[Provider]:
    """Load the class of a provider.

    Raises:
        LookupError: If no provider has that name.
    """
    loaded: type[Provider] = load_plugin("imagemake.providers", name, BUILT_IN)
    return loaded
