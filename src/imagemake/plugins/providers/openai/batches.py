"""OpenAI's Batch API: upload, create, find, poll, collect."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake.core.text import printable
from imagemake.plugins.providers import (
    BatchProvider,
    BatchState,
    FailureKind,
    ImageResponse,
    ProviderError,
    Result,
)
from imagemake.plugins.providers.http.lines import lines_of
from imagemake.plugins.providers.openai.batch_state import checked_id, is_id, state_in
from imagemake.plugins.providers.openai.errors import translated_errors
from imagemake.plugins.providers.openai.images import uploaded_id

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._legacy_response import LegacyAPIResponse
    from openai.resources.batches import AsyncBatchesWithRawResponse

CANCELLED = "batch_cancelled"
MOST_PAGES = 1000
Read = Callable[[Any, bytes, Mapping[str, str]], ImageResponse]
_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([^"\\]{1,200})"')
_STATUS = re.compile(rb'"status_code"\s*:\s*(\d{3})\b')


class OpenAIBatches(BatchProvider):
    """The batches of servers with OpenAI's API, whatever their lines ask for."""

    _client: AsyncOpenAI

    @staticmethod
    def response_in(body: Any, line: bytes, headers: Mapping[str, str]) -> ImageResponse:
        """Read a successful response.

        Args:
            body: Its parsed body; None if the line could not be parsed.
            line: The line of results.
            headers: What a line has of a response's headers.
        """
        from imagemake.plugins.providers.http.answers import image_of

        return image_of(body, line, headers)

    async def upload_batch(self, path: Path) -> str:
        """Stream a file of requests to the provider and return its ID."""
        create = self._client.files.with_raw_response.create
        with path.open("rb") as file:
            return await uploaded_id(create(file=("requests.jsonl", file), purpose="batch"))

    async def create_batch(self, file: str, endpoint: str, metadata: Mapping[str, str]) -> BatchState:
        """Start a batch with a window of 24 hours, the only one available."""
        given: Any = endpoint  # the SDK types endpoints as literals
        created = await _object(
            self._api.create(input_file_id=file, endpoint=given, completion_window="24h", metadata=dict(metadata)),
            FailureKind.UNKNOWN,  # the batch may be there
        )
        return state_in(created, failure=FailureKind.UNKNOWN)

    async def find_batch(self, metadata: Mapping[str, str]) -> BatchState | None:
        """Find a batch by its metadata, page by page."""
        from openai import omit

        after = ""
        for _ in range(MOST_PAGES):
            page = await _object(self._api.list(limit=100, after=after or omit))
            data = page.get("data")
            batches = [one for one in data if isinstance(one, Mapping)] if isinstance(data, list) else []
            for batch in batches:
                given = batch.get("metadata")
                if isinstance(given, Mapping) and metadata.items() <= given.items() and is_id(batch.get("id")):
                    return state_in(batch)
            last = batches[-1].get("id") if batches else None
            if page.get("has_more") is not True or not isinstance(last, str) or last == after:
                return None
            after = last
        return None

    async def poll_batch(self, batch: str) -> BatchState:
        """Return the state of a batch."""
        return state_in(await _object(self._api.retrieve(checked_id(batch))))

    async def cancel_batch(self, batch: str) -> BatchState:
        """Cancel a batch; images that are done by then are still collected."""
        return state_in(await _object(self._api.cancel(checked_id(batch))))

    async def batch_results(self, file: str) -> AsyncIterator[Result | str]:
        """Yield the results in a file, and a warning for each unreadable line."""
        import httpx2

        try:
            with translated_errors():
                async with self._client.files.with_streaming_response.content(checked_id(file)) as response:
                    async for line in lines_of(response.iter_bytes()):
                        yield (
                            "a line is too long to be an image" if line is None else result_in(line, self.response_in)
                        )
        except (httpx2.HTTPError, ssl.SSLError) as error:  # the library lets what TLS says later pass
            raise ProviderError(f"the download failed: {error}", FailureKind.UNAVAILABLE, code="no_answer") from None

    async def delete_batch_file(self, file: str) -> None:
        """Delete a file at the provider."""
        with translated_errors():
            await self._client.files.with_raw_response.delete(checked_id(file))

    @property
    def _api(self) -> AsyncBatchesWithRawResponse:
        return self._client.batches.with_raw_response


async def _object(
    answer: Awaitable[LegacyAPIResponse[Any]], failure: FailureKind = FailureKind.UNAVAILABLE
) -> Mapping[str, Any]:
    """Wait for a response, and return its JSON object.

    Args:
        answer: The SDK's, as it came: the SDK takes any content for the one that it expects.
        failure: Kind of the error if it is none.

    Raises:
        ProviderError: If the response is an error, or none at all.
    """
    from imagemake.plugins.providers.http.answers import parsed

    with translated_errors():
        response = await answer
    data = parsed(response.content)
    if not isinstance(data, Mapping):
        raise ProviderError("the response is not a JSON object", failure, status=response.status_code, code="no_answer")
    return data


def result_in(line: bytes, read: Read = OpenAIBatches.response_in) -> Result | str:
    """Parse one line of results; return a warning if it names no request.

    Args:
        line: The line.
        read: Reads a successful response; see `OpenAIBatches.response_in`.
    """
    from imagemake.plugins.providers.http.answers import parsed

    data = parsed(line)
    if data is None:
        return _result_in_text(line, read)
    custom_id = data.get("custom_id") if isinstance(data, dict) else None
    if not isinstance(custom_id, str):
        return "a line has no custom_id"
    response = data.get("response")
    if not isinstance(response, dict):
        return Result(custom_id, _line_error(data.get("error"), None, None))
    request_id = response.get("request_id")
    request_id = printable(request_id)[:200] if isinstance(request_id, str) else None
    body, status = response.get("body"), response.get("status_code")
    has_data = isinstance(body, dict) and ("data" in body or "choices" in body)
    if status not in (200, "200") and not (status is None and has_data):
        inner = body.get("error") if isinstance(body, dict) else None
        known = status if isinstance(status, int) and 100 <= status < 600 else None
        return Result(custom_id, _line_error(inner, known, request_id))
    return _outcome(custom_id, lambda: read(body, line, {"x-request-id": request_id} if request_id else {}))


def body_of(answer: Any) -> Any:
    """Return the response in a parsed line of results, or the answer itself if it is no such line."""
    is_line = isinstance(answer, dict) and isinstance(answer.get("custom_id"), str)
    response = answer.get("response") if is_line else None
    return response.get("body") if isinstance(response, dict) else answer


def _result_in_text(line: bytes, read: Read) -> Result | str:
    """Read a line that is not JSON, so that it costs its own request at most: it is torn, or somebody garbled it."""
    named, status = _CUSTOM_ID.search(line), _STATUS.search(line)
    if named is None:
        return "a line is not a result"
    custom_id = named[1].decode("utf-8", "replace")
    if status is not None and status[1] != b"200":
        error = ProviderError("its line is damaged", FailureKind.UNAVAILABLE, status=int(status[1]))
        return Result(custom_id, error)
    return _outcome(custom_id, lambda: read(None, line, {}))


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
