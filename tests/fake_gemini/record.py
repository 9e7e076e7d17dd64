"""What the stand-in did, and for how much."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

# USD per million tokens: text in, image in, text out (with thoughts), image out.
PRICES = {"gemini-3-pro-image": (2, 2, 12, 120), "gemini-3.1-flash-image": (Decimal("0.5"), Decimal("0.5"), 3, 60)}
IMAGE_TOKENS = {"gemini-3-pro-image": {"1K": 1120, "2K": 1120, "4K": 2000}}
IMAGE_TOKENS["gemini-3.1-flash-image"] = {"512": 747, "1K": 1120, "2K": 1680, "4K": 2520}
REFERENCE_TOKENS = 560


@dataclass(slots=True)
class Call:
    """One request for an image, by a call or by a line of a batch.

    Attributes:
        model: As in the address.
        prompt: The text.
        seed: As it was sent; None if it was not.
        image_config: As it was sent.
        references: SHA-256 of the reference images, in their order.
        key_header: The API key that came.
        in_batch: Whether it is a line of a batch.
        behavior: What happened.
        cost_usd: What it cost.
        has_image: Whether an image was made.
    """

    model: str
    prompt: str
    seed: int | None
    image_config: dict[str, object]
    references: list[str]
    key_header: str | None
    in_batch: bool = False
    behavior: str = "normal"
    cost_usd: Decimal = Decimal(0)
    has_image: bool = False

    def bill(self, text_in: int, image_in: int, text_out: int, image_out: int) -> None:
        """Bill some tokens; a batch costs half."""
        prices = PRICES[self.model]
        counts = (text_in, image_in, text_out, image_out)
        micro = sum(Decimal(n) * Decimal(price) for n, price in zip(counts, prices, strict=True))
        self.cost_usd = micro / 1_000_000 / (2 if self.in_batch else 1)
        self.has_image = image_out > 0


@dataclass(slots=True)
class Record:
    """All calls in the order of their arrival."""

    calls: list[Call] = field(default_factory=list)
    seen: Counter[tuple[int, str]] = field(default_factory=Counter)
    key_elsewhere: list[str | None] = field(default_factory=list)  # keys that came with uploads of content

    @property
    def total_usd(self) -> Decimal:
        """What all calls cost."""
        return sum((call.cost_usd for call in self.calls), Decimal(0))

    @property
    def images(self) -> int:
        """How many images were made."""
        return sum(call.has_image for call in self.calls)
