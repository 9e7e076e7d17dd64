"""OpenAI's Batch API: upload, create, find, poll, collect."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake.core.known_secrets import redacted
from imagemake.core.text import printable
from imagemake.plugins.providers import (
    BatchState,
    FailureKind,
    ImageResponse,
    ProviderError,
    ReferenceBatchProvider,
    Result,
)
from imagemake.plugins.providers.failures import STOPS
from imagemake.plugins.providers.http.lines import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai import AsyncOpenAI

    from imagemake.plugins.providers.openai.images import UploadedImages

# ASSUME: of these codes, only token_limit_exceeded was ever reported (3P).
FULL = ("token_limit_exceeded", "rate_limit_exceeded", "request_limit_exceeded")
PASSING = ("server_error", "internal_error")
CANCELLED = "batch_cancelled"
OVER = ("completed", "failed", "expired", "cancelled")
_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([^"\\]{1,200})"')
_STATUS = re.compile(rb'"status_code"\s*:\s*(\d{3})\b')


@contextmanager
def _translated_errors() -> Iterator[None]:
    import openai

    from imagemake.plugins.providers.openai.errors import connection_error, status_error

    try:
        yield
    except openai.APIStatusError as error:
        raise status_error(error) from None
    except openai.APIConnectionError as error:
        raise connection_error(error) from None


class OpenAIBatches(ReferenceBatchProvider):
    """The batches of the `openai` provider."""

    _client: AsyncOpenAI
    _images: UploadedImages

    async def upload_image(self, digest: str, content: bytes) -> None:
        """Upload an image that lines of batches refer to."""
        with _translated_errors():
            await self._images.upload(self._client, digest, content)

    async def upload_batch(self, path: Path) -> str:
        """Stream a file of requests to the provider and return its ID."""
        with path.open("rb") as file, _translated_errors():
            return (await self._client.files.create(file=("requests.jsonl", file), purpose="batch")).id

    async def create_batch(self, file: str, endpoint: str, metadata: Mapping[str, str]) -> BatchState:
        """Start a batch with a window of 24 hours, the only one available."""
        given: Any = endpoint  # the SDK types endpoints as literals
        with _translated_errors():
            batch = await self._client.batches.create(
                input_file_id=file, endpoint=given, completion_window="24h", metadata=dict(metadata)
            )
        return _state(batch)

    async def find_batch(self, metadata: Mapping[str, str]) -> BatchState | None:
        """Find a batch by its metadata, page by page."""
        with _translated_errors():
            async for batch in self._client.batches.list(limit=100):
                if metadata.items() <= (batch.metadata or {}).items():
                    return _state(batch)
        return None

    async def poll_batch(self, batch: str) -> BatchState:
        """Return the state of a batch."""
        with _translated_errors():
            return _state(await self._client.batches.retrieve(batch))

    async def cancel_batch(self, batch: str) -> BatchState:
        """Cancel a batch; images that are done by then are still collected."""
        with _translated_errors():
            return _state(await self._client.batches.cancel(batch))

    async def batch_results(self, file: str) -> AsyncIterator[Result | str]:
        """Yield the results in a file, and a warning for each unreadable line."""
        import httpx2

        try:
            with _translated_errors():
                async with self._client.files.with_streaming_response.content(file) as response:
                    async for line in lines_of(response.iter_bytes()):
                        yield result_in(line) if line is not None else "a line is too long to be an image"
        except httpx2.HTTPError as error:
            raise ProviderError(f"the download failed: {error}", FailureKind.UNAVAILABLE, code="no_answer") from None

    async def delete_batch_file(self, file: str) -> None:
        """Delete a file at the provider."""
        with _translated_errors():
            await self._client.files.delete(file)


def result_in(line: bytes) -> Result | str:
    """Parse one line of results; return a warning if it names no request."""
    from imagemake.plugins.providers.http.answers import image_of, parsed

    data = parsed(line)
    if data is None:
        return _result_in_text(line)
    custom_id = data.get("custom_id") if isinstance(data, dict) else None
    if not isinstance(custom_id, str):
        return "a line has no custom_id"
    response = data.get("response")
    if not isinstance(response, dict):
        return Result(custom_id, _line_error(data.get("error"), None, None))
    request_id = response.get("request_id")
    request_id = printable(request_id)[:200] if isinstance(request_id, str) else None
    body, status = response.get("body"), response.get("status_code")
    has_data = isinstance(body, dict) and "data" in body
    if status not in (200, "200") and not (status is None and has_data):
        inner = body.get("error") if isinstance(body, dict) else None
        known = status if isinstance(status, int) and 100 <= status < 600 else None
        return Result(custom_id, _line_error(inner, known, request_id))
    return _outcome(custom_id, lambda: image_of(body, line, {"x-request-id": request_id} if request_id else {}))


def body_of(answer: Any) -> Any:
    """Return the response in a parsed line of results, or the answer itself if it is no such line."""
    is_line = isinstance(answer, dict) and isinstance(answer.get("custom_id"), str)
    response = answer.get("response") if is_line else None
    return response.get("body") if isinstance(response, dict) else answer


def _result_in_text(line: bytes) -> Result | str:
    """Read a line that is not JSON, so that it costs its own request at most: it is torn, or somebody garbled it."""
    from imagemake.plugins.providers.http.answers import image_of

    named, status = _CUSTOM_ID.search(line), _STATUS.search(line)
    if named is None:
        return "a line is not a result"
    custom_id = named[1].decode("utf-8", "replace")
    if status is not None and status[1] != b"200":
        error = ProviderError("its line is damaged", FailureKind.UNAVAILABLE, status=int(status[1]))
        return Result(custom_id, error)
    return _outcome(custom_id, lambda: image_of(None, line, {}))


def _outcome(custom_id: str, read: Callable[[], ImageResponse]) -> Result:
    try:
        return Result(custom_id, read())
    except ProviderError as error:
        return Result(custom_id, error)


def _line_error(error: Any, status: int | None, request_id: str | None) -> ProviderError:
    from imagemake.plugins.providers.http.error_text import told_in
    from imagemake.plugins.providers.http.errors import meaning_of

    told = told_in({"error": error if error is not None else "the line gives no reason"})
    meaning = meaning_of(status or 500, told)
    failure, code = meaning.failure, told.code or told.type
    if failure is FailureKind.UNKNOWN:  # a failure inside a batch is not billed
        failure = FailureKind.NOT_RETRYABLE if code == CANCELLED else FailureKind.UNAVAILABLE
    return ProviderError(told.message, failure, code=code, status=status, request_id=request_id, remedy=meaning.remedy)


def _state(batch: Any) -> BatchState:
    counts = batch.request_counts
    error, bad_lines = _refusal(batch) if batch.status == "failed" else (None, {})
    return BatchState(
        id=batch.id,
        status=batch.status,
        is_over=batch.status in OVER,
        n_done=counts.completed + counts.failed if counts else 0,
        n_all=counts.total if counts else 0,
        files=tuple(name for name in (batch.output_file_id, batch.error_file_id) if name),
        input_file=batch.input_file_id,
        was_cancelled=batch.status == "cancelled",
        expires_at=batch.expires_at,
        error=error,
        bad_lines=bad_lines,
    )


def _refusal(batch: Any) -> tuple[ProviderError, dict[int, str]]:
    """Return why a file was rejected, as a whole and by line. None of it was generated."""
    details = (batch.errors.data if batch.errors else None) or []
    message = "; ".join(str(one.message) for one in details) or "the batch failed without a reason"
    code = details[0].code if details else None
    failure, remedy = _meaning_of(code, message)
    lines = {one.line: str(one.message) for one in details if isinstance(one.line, int)}
    return ProviderError(redacted(message)[:2000], failure, code=code, remedy=remedy), lines


def _meaning_of(code: str | None, message: str) -> tuple[FailureKind, str | None]:
    """Return what a failed batch's error means, and what the user can do if only they can fix it."""
    from imagemake.plugins.providers.http.error_text import Told
    from imagemake.plugins.providers.http.errors import REMEDIES, meaning_of

    if code in FULL:
        return FailureKind.RATE_LIMITED, None
    meaning = meaning_of(400, Told(message, code))
    if meaning.failure in STOPS or meaning.remedy == REMEDIES["model"]:
        return meaning.failure, meaning.remedy
    return (FailureKind.UNAVAILABLE if code is None or code in PASSING else FailureKind.NOT_RETRYABLE), None
