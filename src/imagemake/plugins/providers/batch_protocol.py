"""What a provider must offer for `mode: batch`, and what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import ImageResponse, ProviderError


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch, as the provider tells it.

    Attributes:
        id: The provider's name for it.
        status: The provider's word.
        is_over: Whether nothing more will come.
        n_done: Requests that are over.
        n_all: Requests in all.
        files: Files with results.
        input_file: The file that was uploaded.
        was_cancelled: Whether somebody stopped it.
        expires_at: When the provider gives up on it, in seconds of Unix time.
        error: Why the whole batch failed: `Failure.RATE_LIMITED` where the provider's queue is full.
        bad_lines: What is wrong with single lines of a file that was not taken, by their number from 1.
    """

    id: str
    status: str
    is_over: bool
    n_done: int
    n_all: int
    files: tuple[str, ...]
    input_file: str
    was_cancelled: bool = False
    expires_at: float | None = None
    error: ProviderError | None = None
    bad_lines: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of a batch's results."""

    custom_id: str
    outcome: ImageResponse | ProviderError


@runtime_checkable
class BatchProvider(Protocol):
    """A provider that takes many requests at once; all of its methods but the first raise `ProviderError`."""

    def batch_request(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """Return the endpoint and the body of a recipe's line."""

    async def upload_batch(self, path: Path) -> str:
        """Upload a file of requests and return its name there."""

    async def create_batch(self, file: str, endpoint: str, metadata: Mapping[str, str]) -> BatchState:
        """Start a batch."""

    async def find_batch(self, metadata: Mapping[str, str]) -> BatchState | None:
        """Find a batch by its metadata."""

    async def poll_batch(self, batch: str) -> BatchState:
        """Ask how far a batch is."""

    async def cancel_batch(self, batch: str) -> BatchState:
        """Stop a batch; what is made by then is still brought."""

    def batch_results(self, file: str) -> AsyncIterator[Result | str]:
        """Yield the results in a file, one in memory at a time; a line that is none gives a warning instead."""

    async def delete_batch_file(self, file: str) -> None:
        """Delete a file at the provider."""
