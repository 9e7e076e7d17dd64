"""Batches of the stand-in: each line of a file is a request, and costs half."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from fake_gemini.content import Studio
from fake_gemini.requests import ApiError, understand
from fake_gemini.stored import Files

GRPC = {400: 3, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14, 504: 4}


@dataclass(slots=True)
class Batch:
    """A batch."""

    model: str
    display_name: str
    input_file: str
    name: str = field(default_factory=lambda: f"batches/{uuid.uuid4().hex[:20]}")
    made_at_s: float = field(default_factory=time.time)
    state: str = "PENDING"
    lines: int = 0
    made: int = 0
    failed: int = 0
    output_file: str | None = None
    error: dict[str, Any] | None = None
    is_cancelled: bool = False

    def as_dict(self, *, echoes_input: bool) -> dict[str, Any]:
        """Return the API's `Operation`."""
        created = datetime.fromtimestamp(self.made_at_s, UTC).isoformat().replace("+00:00", "Z")
        left = max(0, self.lines - self.made - self.failed)
        counts = {"request": self.lines, "pendingRequest": left}
        counts |= {"successfulRequest": self.made, "failedRequest": self.failed}
        metadata: dict[str, Any] = {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            "model": f"models/{self.model}",
            "displayName": self.display_name,
            "createTime": created,
            "updateTime": created,
            "batchStats": {f"{name}Count": str(n) for name, n in counts.items() if n},  # zeros are left out
            "state": f"BATCH_STATE_{self.state}",
            "name": self.name,
        }
        if echoes_input:
            metadata["inputConfig"] = {"fileName": self.input_file}
        operation: dict[str, Any] = {"name": self.name, "metadata": metadata}
        if self.state not in ("PENDING", "RUNNING"):
            operation["done"] = True
        if self.output_file is not None:
            metadata["output"] = {"responsesFile": self.output_file}
            kind = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatchOutput"
            operation["response"] = {"@type": kind, "responsesFile": self.output_file}
        if self.error is not None:
            operation["error"] = self.error
        return operation


@dataclass(slots=True)
class Batches:
    """All batches by name, and the tasks that work on them."""

    studio: Studio
    files: Files
    batches: dict[str, Batch] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def create(self, model: str, body: dict[str, Any]) -> Batch:
        """Start a batch."""
        given = body.get("batch", {})
        if not given.get("displayName"):
            raise ApiError(400, "INVALID_ARGUMENT", "batch.display_name is required.")
        batch = Batch(model, given["displayName"], self.files.get(given["inputConfig"]["fileName"]).name)
        self.batches[batch.name] = batch
        task = asyncio.get_running_loop().create_task(self._work(batch))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return batch

    def get(self, name: str) -> Batch:
        """Return a batch."""
        if name not in self.batches:
            raise ApiError(404, "NOT_FOUND", "Requested entity was not found.")
        return self.batches[name]

    def page(self, token: str) -> dict[str, Any]:
        """Return a page of the list, newest first."""
        settings = self.studio.settings
        shown = [one for one in reversed(self.batches.values()) if one.made_at_s + settings.list_lag_s <= time.time()]
        start = int(token or 0)
        found: dict[str, Any] = {}
        if page := shown[start : start + settings.page_size]:
            found["operations"] = [one.as_dict(echoes_input=settings.echoes_input) for one in page]
        if start + settings.page_size < len(shown):
            found["nextPageToken"] = str(start + settings.page_size)
        return found

    async def _work(self, batch: Batch) -> None:
        settings = self.studio.settings
        lines = self.files.get(batch.input_file).content.splitlines()
        batch.lines, batch.state = len(lines), "RUNNING"
        results = []
        for number, line in enumerate(lines, 1):
            await asyncio.sleep(settings.batch_s / len(lines))
            if batch.is_cancelled:
                break
            is_left_out = settings.batch_end == "PARTIALLY_SUCCEEDED" and number % 2
            if is_left_out or settings.batch_end in ("FAILED", "EXPIRED"):
                continue
            results.append(await self._answer(batch, line))
        batch.state = "CANCELLED" if batch.is_cancelled else settings.batch_end
        if batch.state == "FAILED":
            batch.error = {"code": 13, "message": "The batch failed."}
        if batch.is_cancelled:
            batch.error = {"code": 1, "message": "The operation was cancelled."}
        if results:
            name = f"files/batch-{batch.name.removeprefix('batches/')}"
            batch.output_file = self.files.generate(name, b"".join(results)).name

    async def _answer(self, batch: Batch, line: bytes) -> bytes:
        data = orjson.loads(line)
        try:
            call = understand(batch.model, data["request"], self.files.content_of, None)
            call.in_batch = True
            result = {"response": await self.studio.answer(call)}
            batch.made += 1
        except ApiError as error:
            batch.failed += 1
            result = {"error": {**error.error, "code": GRPC[error.status]}}
        return orjson.dumps({"key": data["key"], **result}) + b"\n"
