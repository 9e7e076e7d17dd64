"""The Batch API: a file of requests, processed line by line at half the price, within a time window."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

import orjson

from fake_openai import errors
from fake_openai.batch_input import LINES_BETWEEN_YIELDS, Line, read_lines
from fake_openai.images import understand
from fake_openai.judging import CHAT, answered, complete
from fake_openai.record import Call
from fake_openai.references import uploads_of_json
from fake_openai.stand import Stand
from fake_openai.stored import Files
from fake_openai.validate import ENDPOINTS, Endpoint

SHOWN_ERRORS = 20


@dataclass(slots=True)
class Batch:
    """A batch with the fields that the API shows."""

    endpoint: Endpoint
    input_file_id: str
    metadata: dict[str, str] | None
    created_at: int
    expires_at: int
    made_at_s: float = field(default_factory=time.time)  # the list's lag is shorter than a second
    id: str = field(default_factory=lambda: f"batch_{uuid.uuid4().hex[:24]}")
    object: str = "batch"
    completion_window: str = "24h"
    status: str = "validating"
    model: str | None = None
    errors: dict[str, Any] | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    in_progress_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: dict[str, int] = field(default_factory=lambda: {"total": 0, "completed": 0, "failed": 0})
    usage: dict[str, Any] = field(
        default_factory=lambda: {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        }
    )

    def enter(self, status: str) -> None:
        """Change the status, and record the time."""
        self.status = status
        setattr(self, f"{status}_at", int(time.time()))


class Batches:
    """All batches by ID, and the tasks that process them."""

    def __init__(self, stand: Stand, files: Files) -> None:
        self._stand = stand
        self._files = files
        self._batches: dict[str, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def create(self, body: dict[str, Any]) -> Batch:
        """Start a batch.

        Raises:
            ApiError: 400, if a parameter is invalid. Errors in the file make the batch fail later.
        """
        for name in ("input_file_id", "endpoint", "completion_window"):
            if not body.get(name):
                raise errors.missing_parameter(name)
        if body["endpoint"] not in (*ENDPOINTS, CHAT):
            raise errors.invalid_value("endpoint", body["endpoint"], (*ENDPOINTS, CHAT))
        if body["completion_window"] != "24h":
            raise errors.invalid_value("completion_window", body["completion_window"], ["24h"])
        source = self._files.get(body["input_file_id"])
        if source.purpose != "batch":
            raise errors.invalid("input_file_id", f"File '{source.id}' must have the purpose 'batch'.")
        now_s = time.time()
        expires_at = int(now_s + self._stand.settings.batches.expires_after_s)
        batch = Batch(body["endpoint"], source.id, body.get("metadata"), int(now_s), expires_at)
        self._batches[batch.id] = batch
        task = asyncio.get_running_loop().create_task(self._work(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return batch

    def get(self, identity: str) -> Batch:
        """Return a batch.

        Raises:
            ApiError: 404, if this ID is unknown.
        """
        if identity not in self._batches:
            raise errors.ApiError(404, f"No batch found with id '{identity}'.", param="batch_id")
        return self._batches[identity]

    def newest_first(self) -> list[Batch]:
        """Return all batches in the list, newest first."""
        latest_s = time.time() - self._stand.settings.batches.list_lag_s
        return [batch for batch in reversed(self._batches.values()) if batch.made_at_s <= latest_s]

    def cancel(self, identity: str) -> Batch:
        """Cancel a batch; finished lines are kept.

        Raises:
            ApiError: 404, if this ID is unknown; 409, if it is over.
        """
        batch = self.get(identity)
        if batch.status not in ("validating", "in_progress", "cancelling"):
            message = f"Cannot cancel a batch with status '{batch.status}'."
            raise errors.ApiError(409, message)
        if batch.status != "cancelling":
            batch.enter("cancelling")
        return batch

    def forget(self) -> None:
        """Drop all batches, and stop working on them."""
        for task in self._tasks:
            task.cancel()
        self._batches.clear()

    async def _work(self, batch: Batch) -> None:
        invalid_prompt = self._stand.settings.batches.invalid_prompt
        read = await read_lines(self._files.content(batch.input_file_id) or b"", batch.endpoint, invalid_prompt)
        batch.model = read.model
        read.problems += self._over_the_queue(batch, len(read.lines))
        if read.problems:
            batch.errors = {"object": "list", "data": read.problems[:SHOWN_ERRORS]}
            batch.enter("failed")
            return
        lines = read.lines
        batch.request_counts["total"] = len(lines)
        if batch.status == "validating":
            batch.enter("in_progress")
        output = self._files.create(f"{batch.id}_output.jsonl", "batch_output")
        failures = self._files.create(f"{batch.id}_error.jsonl", "batch_output")
        with output.path.open("wb") as output_file, failures.path.open("wb") as error_file:
            end = await self._work_through(batch, lines, output_file, error_file)
        batch.output_file_id = self._keep_unless_empty(output.id)
        batch.error_file_id = self._keep_unless_empty(failures.id)
        if end == "completed":
            batch.enter("finalizing")
        batch.enter(end)

    def _over_the_queue(self, batch: Batch, n_lines: int) -> list[dict[str, Any]]:
        most = self._stand.settings.batches.most_enqueued
        others = [other for other in self._batches.values() if other.status in ("in_progress", "cancelling")]
        if most is None or n_lines + sum(other.request_counts["total"] for other in others) <= most:
            return []
        # ASSUME: the API's limit counts tokens; this one counts requests.
        message = (
            f"Enqueued token limit reached for {batch.model} in organization org-stand-in. Limit: {most} enqueued "
            "tokens. Please try again once some in_progress batches have been completed."
        )
        return [{"line": None, "param": None, "code": "token_limit_exceeded", "message": message}]

    async def _work_through(self, batch: Batch, lines: list[Line], output: BinaryIO, failures: BinaryIO) -> str:
        """Process each line when it is due; return the batch's final status."""
        started_s = time.time()
        end, code, message = "completed", "", ""
        for number, line in enumerate(lines, 1):
            while end == "completed" and (left_s := self._left_s(batch, number, len(lines), started_s)) > 0:
                await asyncio.sleep(min(left_s, 0.05))
                if batch.status == "cancelling":
                    break
            if batch.status == "cancelling":
                end, code, message = "cancelled", "batch_cancelled", "This request was cancelled with its batch."
            elif time.time() >= self._expires_at_s(batch):
                end, code = "expired", "batch_expired"
                message = "This request could not be executed before the completion window expired."
            if end == "completed":
                await self._work_on(batch, line, output, failures)
            elif end == "expired" or self._stand.settings.batches.tells_cancelled:
                _write_line(failures, line.custom_id, None, {"code": code, "message": message})
                batch.request_counts["failed"] += 1
            if number % LINES_BETWEEN_YIELDS == 0:
                await asyncio.sleep(0)
        return end

    def _left_s(self, batch: Batch, number: int, n_lines: int, started_s: float) -> float:
        settings = self._stand.settings.batches
        waits = settings.works_on is not None and number > settings.works_on
        due_s = math.inf if waits else started_s + settings.duration_s * number / n_lines
        return min(due_s, self._expires_at_s(batch)) - time.time()

    def _expires_at_s(self, batch: Batch) -> float:
        return batch.made_at_s + self._stand.settings.batches.expires_after_s

    async def _work_on(self, batch: Batch, line: Line, output: BinaryIO, failures: BinaryIO) -> None:
        record = self._stand.record
        call = record.open_line(batch.endpoint, batch.id, line.custom_id)
        try:
            if batch.endpoint == CHAT:
                told = orjson.dumps(answered(complete, line.body, self._stand, call))
                record.record_cost(call, 200, "ok")
                return self._done(batch, line, output, call, told, call.usage or {})
            body = dict(line.body)
            uploads = uploads_of_json(body, self._files.content) if batch.endpoint.endswith("edits") else []
            request = understand(self._stand, call, batch.endpoint, body, uploads)
            if request.partial_images is not None:
                raise errors.invalid("stream", "Streaming is not supported in batches.")
            self._stand.check_organization(request)
            answer = await self._stand.answer(call, request)
        except errors.ApiError as error:
            record.record_cost(call, error.status, error.code or error.body["error"]["type"])
            response = {"status_code": error.status, "request_id": call.request_id, "body": error.body}
            _write_line(failures, line.custom_id, response, None)
            batch.request_counts["failed"] += 1
            return None
        record.record_cost(call, 200, "ok" if answer.rule is None else answer.rule.behavior)
        return self._done(batch, line, output, call, answer.body, request.usage)

    @staticmethod
    def _done(batch: Batch, line: Line, output: BinaryIO, call: Call, body: bytes, usage: dict[str, Any]) -> None:
        call.delivered = True
        response = {"status_code": 200, "request_id": call.request_id, "body": orjson.Fragment(body)}
        _write_line(output, line.custom_id, response, None)
        batch.request_counts["completed"] += 1
        for name in ("input_tokens", "output_tokens", "total_tokens"):
            batch.usage[name] += usage.get(name, 0)

    def _keep_unless_empty(self, identity: str) -> str | None:
        if self._files.get(identity).path.stat().st_size:
            return identity
        self._files.delete(identity)
        return None


def as_dict(batch: Batch) -> dict[str, Any]:
    """Return the API's `Batch` object."""
    return {name: value for name, value in asdict(batch).items() if name != "made_at_s"}


def _write_line(file: BinaryIO, custom_id: str, response: dict[str, Any] | None, error: dict[str, Any] | None) -> None:
    identity = f"batch_req_{uuid.uuid4().hex[:24]}"
    line = {"id": identity, "custom_id": custom_id, "response": response, "error": error}
    file.write(orjson.dumps(line) + b"\n")
