"""The requests in the queue, and their images."""

from __future__ import annotations

import hashlib
import time
import zlib
from dataclasses import dataclass, field
from typing import Any

from image_files import RGB, png

EDGE_PX = 64
MODERATED_WORD, FAILING_WORD = "weapon", "jam"


@dataclass(slots=True)
class Job:
    """A request in the queue.

    Attributes:
        id: Its ID.
        form: Whose API it came by.
        model: Name of the model.
        body: What was sent.
        prompt: The prompt.
        seed: The seed that was sent; None without one.
        headers: Headers of the submission, by lower-case name.
        ready_at: When its image is made, in seconds of Unix time.
        price_usd: What it costs, if an image is made.
        canceled: Whether it was canceled before that.
        polls: How often its state was asked for.
        fetched: How often its image was fetched.
    """

    id: str
    form: str
    model: str
    body: dict[str, Any]
    prompt: str
    seed: int | None
    headers: dict[str, str]
    ready_at: float
    price_usd: float
    canceled: bool = False
    polls: int = 0
    fetched: int = 0
    made_at: float = field(default_factory=time.time)

    @property
    def state(self) -> str:
        """One of queued, running, made, moderated, failed, canceled."""
        if self.canceled:
            return "canceled"
        now = time.time()
        if now < self.ready_at:
            return "queued" if now < (self.made_at + self.ready_at) / 2 else "running"
        if MODERATED_WORD in self.prompt:
            return "moderated"
        return "failed" if FAILING_WORD in self.prompt else "made"

    @property
    def billed_usd(self) -> float:
        """What it has cost so far."""
        return self.price_usd if self.state == "made" else 0.0

    @property
    def image(self) -> bytes:
        """Its image: stripes in colors of the prompt and the seed."""
        digest = hashlib.sha256(f"{self.model} {self.prompt} {self.seed}".encode()).digest()
        rows = [bytes(digest[(row // 4 + column) % 32] for column in range(3)) * EDGE_PX for row in range(EDGE_PX)]
        return png(EDGE_PX, EDGE_PX, 8, RGB, rows)

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.id}-{zlib.crc32(self.prompt.encode()):08x}.png"
