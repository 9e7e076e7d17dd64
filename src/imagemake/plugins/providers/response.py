"""What a provider returns for a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from imagemake.core.known_secrets import redacted_bytes, redacted_value
from imagemake.images.formats import extension_of


class SeedUse(StrEnum):
    """What became of a recipe's seed.

    Attributes:
        SENT: The request contained it.
        NOT_SENT: The API accepts no seed, so a different seed is just a different draw.
        SERVER: The server chose another one.
    """

    SENT = "sent"
    NOT_SENT = "not sent"
    SERVER = "set by the server"


@dataclass(frozen=True, slots=True)
class ImageResponse:
    """A provider's response to one recipe.

    Attributes:
        image: The bytes of the image file, not decoded.
        request_id: The provider's ID of the call, for its support and its bills.
        usage: Token counts as the provider reports them.
        headers: By lower-case name; only rate limits are read from them.
        more: Further images of the same response. They are paid for too, so they are kept.
        cost_usd: What the call cost, where the provider says so; it replaces the cost by the model table.
        seed_use: What became of the seed, where that differs from what `Provider.seed_use` says.
        seed: The seed that the server set or used, if it says so.
        model: The version of the model that made the image, if the response names it.
        seconds: How long the machine worked for this image, where that is not the duration of the call.
    """

    image: bytes
    request_id: str | None = None
    usage: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    more: tuple[bytes, ...] = ()
    cost_usd: float | None = None
    seed_use: SeedUse | None = None
    seed: int | None = None
    model: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        # The server may have echoed a secret. Images of a known format stay as they are.
        redact(self, "request_id", "usage", "headers", "model")
        object.__setattr__(self, "image", _without_secrets(self.image))
        object.__setattr__(self, "more", tuple(_without_secrets(one) for one in self.more))


def redact(answer: object, *names: str) -> None:
    """Remove the secrets that a server echoed from some attributes of a frozen object."""
    for name in names:
        object.__setattr__(answer, name, redacted_value(getattr(answer, name)))


def _without_secrets(image: bytes) -> bytes:
    return redacted_bytes(image) if extension_of(image) == "bin" else image  # no image: text, for all we know
