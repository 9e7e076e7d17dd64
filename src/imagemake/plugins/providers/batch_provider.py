"""The base of providers with a Batch API, and what that API returns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.failures import ProviderError
from imagemake.plugins.providers.provider import Provider
from imagemake.plugins.providers.response import ImageResponse, redact


@dataclass(frozen=True, slots=True)
class BatchState:
    """The state of a provider's batch.

    Attributes:
        id: The provider's ID of the batch.
        status: The provider's word.
        is_over: Whether nothing more will come.
        n_done: Requests that have succeeded or failed.
        n_all: Requests in all.
        files: Files with results.
        input_file: The file that was uploaded.
        was_cancelled: Whether it was canceled.
        expires_at: When the provider gives up on it, in seconds of Unix time.
        error: Why the whole batch failed: `FailureKind.RATE_LIMITED` if the provider's queue is full.
        bad_lines: Errors in single lines of a rejected file, by line number from 1.
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

    def __post_init__(self) -> None:
        # The server may have echoed a secret.
        redact(self, "id", "status", "files", "input_file", "bad_lines")


@dataclass(frozen=True, slots=True)
class Result:
    """One line of a batch's results."""

    custom_id: str
    outcome: ImageResponse | ProviderError


@dataclass(frozen=True, slots=True)
class BatchFileLimits:
    """The limits of one file of requests.

    Attributes:
        lines: Most requests. Source: OpenAI's Batch API.
        size_bytes: Most bytes; "200 MB" in its smaller meaning.
    """

    lines: int = 50_000
    size_bytes: int = 200 * 10**6


class BatchProvider(Provider):
    """A provider with a Batch API, for `mode: batch`.

    All methods but `batch_request` and `batch_line` raise `ProviderError`.

    Attributes:
        file_limits: The limits of one file of requests.
        images_in_lines: Whether the lines have the reference images in them, so that none are uploaded.
    """

    file_limits: ClassVar[BatchFileLimits] = BatchFileLimits()
    images_in_lines: ClassVar[bool] = False

    @abstractmethod
    def batch_request(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """Return the endpoint and the body of a recipe's line. A file holds lines of one endpoint."""

    def batch_line(self, call: str, recipe: Recipe) -> dict[str, Any]:
        """Return a line of a file of requests, in OpenAI's form.

        Args:
            call: ID of the call, as `Result.custom_id` names it later.
            recipe: The recipe.
        """
        endpoint, body = self.batch_request(recipe)
        return {"custom_id": call, "method": "POST", "url": endpoint, "body": body}

    def read_result(
        self, recipe: Mapping[str, Any] | None, outcome: ImageResponse | ProviderError
    ) -> ImageResponse | ProviderError:
        """Return what a line of results means for the recipe that it answers.

        Args:
            recipe: The recipe as the journal has it; None if that record is lost.
            outcome: The line's, from `batch_results`.
        """
        return outcome

    @abstractmethod
    async def upload_batch(self, path: Path) -> str:
        """Upload a file of requests and return its ID."""

    @abstractmethod
    async def create_batch(self, file: str, endpoint: str, metadata: Mapping[str, str]) -> BatchState:
        """Start a batch."""

    @abstractmethod
    async def find_batch(self, metadata: Mapping[str, str]) -> BatchState | None:
        """Find a batch by its metadata."""

    @abstractmethod
    async def poll_batch(self, batch: str) -> BatchState:
        """Return the state of a batch."""

    @abstractmethod
    async def cancel_batch(self, batch: str) -> BatchState:
        """Cancel a batch; images that are done by then are still collected."""

    @abstractmethod
    def batch_results(self, file: str) -> AsyncIterator[Result | str]:
        """Yield the results in a file, with one in memory at a time; a warning for each unreadable line."""

    @abstractmethod
    async def delete_batch_file(self, file: str) -> None:
        """Delete a file at the provider."""


class ReferenceBatchProvider(BatchProvider):
    """A provider whose batches accept reference images: each is uploaded before the lines that name it."""

    @abstractmethod
    async def upload_image(self, digest: str, content: bytes) -> None:
        """Upload an image by its SHA-256, unless it is there already.

        Raises:
            ProviderError: If the provider rejects it.
        """
