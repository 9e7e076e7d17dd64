"""Gemini's Batch API: upload a file of requests, create, find, poll, and collect a batch."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from imagemake.core.recipe import Recipe
from imagemake.core.text import printable
from imagemake.plugins.providers import (
    BatchFileLimits,
    BatchState,
    FailureKind,
    ProviderError,
    ReferenceBatchProvider,
    Result,
)
from imagemake.plugins.providers.gemini.answers import image_of
from imagemake.plugins.providers.gemini.client import GeminiClient, checked_name, is_name
from imagemake.plugins.providers.gemini.errors import error_in_batch
from imagemake.plugins.providers.gemini.files import UploadedImages
from imagemake.plugins.providers.http.answers import parsed
from imagemake.plugins.providers.http.lines import lines_of

JSONL = "application/jsonl"
EXPIRES_S = 48 * 3600  # Google: a batch expires if it is pending or running for more than 48 hours
CHUNK_BYTES = 1024**2
MOST_PAGES = 1000
OVER = ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
_STATE = re.compile(r"(?:BATCH|JOB)_STATE_")
_KEY = re.compile(rb'"key"\s*:\s*"([^"\\]{1,200})"')


class GeminiBatches(ReferenceBatchProvider):
    """The batches of the `gemini` provider."""

    # 3P: the results of 150 images of 2K could not be read, those of 122 could. Google: an input file has at most 2 GB.
    file_limits: ClassVar[BatchFileLimits] = BatchFileLimits(lines=100, size_bytes=2 * 10**9)

    _client: GeminiClient
    _images: UploadedImages
    _input_files: dict[str, str]  # by batch, since Google does not promise to repeat them

    def batch_line(self, call: str, recipe: Recipe) -> dict[str, Any]:
        """Return a line of the file of requests."""
        return {"key": call, "request": self.batch_request(recipe)[1]}

    async def upload_image(self, digest: str, content: bytes) -> None:
        """Upload an image that lines of batches refer to."""
        await self._images.upload(self._client, digest, content)

    async def upload_batch(self, path: Path) -> str:
        """Stream a file of requests to the server and return its name."""
        file = await self._client.upload(_chunks(path), path.stat().st_size, JSONL, "requests")
        return str(file["name"])

    async def create_batch(self, file: str, endpoint: str, metadata: Mapping[str, str]) -> BatchState:
        """Start a batch. Its display name is what it is found by."""
        batch = {"displayName": _display_name(metadata), "inputConfig": {"fileName": file}}
        try:
            created = await self._client.call("POST", endpoint, json={"batch": batch})
        except ProviderError as error:
            if error.failure is FailureKind.UNAVAILABLE:  # an error within the server: the batch may be there
                error.failure = FailureKind.UNKNOWN
            raise
        if not is_name(created.get("name")):
            raise ProviderError("the response does not name the batch", FailureKind.UNKNOWN, status=200)
        self._input_files[str(created["name"])] = file
        return self._state(str(created["name"]), created)

    async def find_batch(self, metadata: Mapping[str, str]) -> BatchState | None:
        """Find a batch by its display name, page by page."""
        page, wanted = "", _display_name(metadata)
        for _ in range(MOST_PAGES):
            found = await self._client.call("GET", f"batches?pageSize=100{page}")
            operations = found.get("operations")
            for one in operations if isinstance(operations, list) else ():
                if (
                    isinstance(one, Mapping)
                    and _metadata(one).get("displayName") == wanted
                    and is_name(one.get("name"))
                ):
                    return self._state(str(one["name"]), one)
            token = found.get("nextPageToken")
            if not isinstance(token, str) or not re.fullmatch(r"[A-Za-z0-9+/=_.~-]+", token):
                return None
            page = f"&pageToken={token.replace('+', '%2B').replace('=', '%3D').replace('/', '%2F')}"
        return None

    async def poll_batch(self, batch: str) -> BatchState:
        """Return the state of a batch."""
        return self._state(batch, await self._client.call("GET", checked_name(batch)))

    async def cancel_batch(self, batch: str) -> BatchState:
        """Cancel a batch; images that are done by then are still collected, if Google gives their file."""
        await self._client.call("POST", f"{checked_name(batch)}:cancel", json={})
        return await self.poll_batch(batch)

    async def batch_results(self, file: str) -> AsyncIterator[Result | str]:
        """Yield the results in a file, and a warning for each unreadable line."""
        async with self._client.download(file) as response:
            async for line in lines_of(response.aiter_bytes()):
                yield result_in(line) if line is not None else "a line is too long to be an image"

    async def delete_batch_file(self, file: str) -> None:
        """Delete a file at the server. One whose name is unknown expires after 48 hours."""
        if file:
            await self._client.call("DELETE", checked_name(file))

    def _state(self, name: str, operation: Mapping[str, Any]) -> BatchState:
        told = _metadata(operation)
        status = _STATE.sub("", printable(str(told.get("state") or "UNSPECIFIED"))[:100], count=1)
        n_all, n_made, n_failed = (
            _count(told, f"{word}Count") for word in ("request", "successfulRequest", "failedRequest")
        )
        files, is_over = _result_files(operation, told), status in OVER or operation.get("done") is True
        given = told.get("inputConfig")
        input_file = given.get("fileName") if isinstance(given, Mapping) else None
        return BatchState(
            id=name,
            status=status.lower(),
            is_over=is_over,
            n_done=(n_made or 0) + (n_failed or 0),
            n_all=n_all or 0,
            files=files,
            input_file=str(input_file) if is_name(input_file) else self._input_files.get(name, ""),
            was_cancelled=status == "CANCELLED" and (bool(files) or not n_made),
            expires_at=_expires_at(told),
            error=_failure(operation, status, made=bool(n_made) or bool(files)) if is_over else None,
        )


def result_in(line: bytes) -> Result | str:
    """Parse one line of results; return a warning if it names no request."""
    data = parsed(line)
    key = data.get("key") if isinstance(data, Mapping) else None
    if data is None and (named := _KEY.search(line)):
        key = named[1].decode("utf-8", "replace")
    if not isinstance(key, str):
        return "a line has no key"
    error = data.get("error") if isinstance(data, Mapping) else None
    try:
        if error:
            raise error_in_batch(error)
        return Result(key, image_of(data.get("response") if data is not None else None, line, {}))
    except ProviderError as failure:
        return Result(key, failure)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _display_name(metadata: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(metadata.items()))


def _metadata(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    found = operation.get("metadata")
    return found if isinstance(found, Mapping) else {}


def _count(told: Mapping[str, Any], name: str) -> int | None:
    stats = told.get("batchStats")
    value = stats.get(name) if isinstance(stats, Mapping) else None
    return int(value) if isinstance(value, int | str) and re.fullmatch(r"\d{1,9}", str(value)) else None


def _result_files(operation: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[str, ...]:
    for place in (told.get("output"), operation.get("response")):
        file = place.get("responsesFile") if isinstance(place, Mapping) else None
        if is_name(file):
            return (str(file),)
    return ()


def _expires_at(told: Mapping[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(str(told.get("createTime"))).timestamp() + EXPIRES_S
    except ValueError:
        return None


def _failure(operation: Mapping[str, Any], status: str, *, made: bool) -> ProviderError | None:
    """Return why a batch that is over has no results; None if it may have made some, so that nobody pays blindly."""
    if made or status in ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "CANCELLED"):
        return None
    if operation.get("error"):
        return error_in_batch(operation["error"])
    return ProviderError(f"the batch ended as {status.lower()}, without a result", FailureKind.UNAVAILABLE, code=status)
