"""The server: one for all four forms, each at its own port."""

from __future__ import annotations

import random
import socket
import threading
import time
import uuid
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import orjson

from fake_queue.forms import FORMS, Form
from fake_queue.jobs import Job

LOST = 0  # in place of a status: the call is done, and its answer is lost
KEY = "stand-in-key"
PRICE_USD = 0.04


class FakeQueue:
    """A queue in a thread.

    Args:
        form: Whose API it speaks: fal, bfl, replicate, or dashscope.
        latency_s: Shortest and longest time until an image is made.
        seed: Of the times.

    Attributes:
        jobs: Everything that was submitted, by ID.
        next_submit: Statuses of the next submissions, each used once; nothing is submitted, but with `LOST`.
        next_poll: Statuses of the next questions about jobs.
        next_file: Statuses of the next downloads.
        uploads: Files that were uploaded.
        asked: Method and path of every call.
        refused_keys: Number of calls without the right key.
    """

    def __init__(self, form: str = "fal", latency_s: tuple[float, float] = (0.0, 0.0), seed: int = 1) -> None:
        self.form: Form = FORMS[form]
        self.latency_s = latency_s
        self.jobs: dict[str, Job] = {}
        self.next_submit: list[int] = []
        self.next_poll: list[int] = []
        self.next_file: list[int] = []
        self.uploads: list[bytes] = []
        self.asked: list[str] = []
        self.refused_keys = 0
        self._chance = random.Random(seed)
        self._lock = threading.Lock()

    def __enter__(self) -> FakeQueue:
        queue = self

        class Handler(_Handler):
            pass

        Handler.queue = queue
        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.base_url = self.root + self.form.base_path
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def submissions(self) -> Counter[tuple[str, int | None]]:
        """Return how often each prompt was submitted with each seed."""
        with self._lock:
            return Counter((job.prompt, job.seed) for job in self.jobs.values())

    def billed_usd(self) -> float:
        """Return what all images have cost."""
        with self._lock:
            return sum(job.billed_usd for job in self.jobs.values())

    def forget(self) -> None:
        """Lose all jobs, as a server does that restarts without its disk."""
        with self._lock:
            self.jobs.clear()

    def answer(self, method: str, path: str, headers: dict[str, str], content: bytes) -> tuple[int, Any] | None:
        """Answer a call; None to close the connection without an answer."""
        with self._lock:
            self.asked.append(f"{method} {path}")
            if path.startswith("/files/"):
                return self._file(path.removeprefix("/files/"), headers)
            name, value = self.form.key_header
            if headers.get(name) != value:
                self.refused_keys += 1
                return self.form.error(401)
            if path == "/v1/files" and self.form.name == "replicate":
                self.uploads.append(content)
                return 201, {"id": "f", "urls": {"get": f"{self.base_url}/files/f{len(self.uploads)}"}}
            asked = self.form.job_id(method, path)
            if asked is not None:
                return self._told(*asked)
            body = orjson.loads(content) if content else {}
            submission = self.form.submission(method, path, body)
            return self._submit(*submission, headers) if submission else self.form.error(405)

    def _submit(self, model: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any] | None:
        status = self.next_submit.pop(0) if self.next_submit else 200
        if status not in (200, LOST):
            return self.form.error(status)
        ready_at = time.time() + self._chance.uniform(*self.latency_s)
        job_id = str(uuid.UUID(int=self._chance.getrandbits(128)))
        job = Job(job_id, self.form.name, model, body, body["prompt"], body.get("seed"), headers, ready_at, PRICE_USD)
        self.jobs[job_id] = job
        return None if status == LOST else self.form.submitted(job, self.base_url)

    def _told(self, job_id: str, what: str) -> tuple[int, Any] | None:
        status = self.next_poll.pop(0) if self.next_poll else 200
        if status == LOST:
            return None
        job = self.jobs.get(job_id)
        if job is None or status in (404, 410):
            return self.form.gone(job_id)
        if status != 200:
            return self.form.error(status)
        job.polls += 1
        if what == "cancel" and job.state in ("queued", "running"):
            job.canceled = True
        return self.form.told(job, what, self.base_url, f"{self.root}/files/{job.name}")

    def _file(self, name: str, headers: dict[str, str]) -> tuple[int, Any] | None:
        assert KEY not in str(headers), "a key was sent to where the images are"
        status = self.next_file.pop(0) if self.next_file else 200
        job = next((job for job in self.jobs.values() if job.name == name), None)
        if status == LOST:
            return None
        if status != 200 or job is None or job.state != "made":
            return status if status != 200 else 404, {"detail": "expired"}
        job.fetched += 1
        return 200, job.image


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that were killed."""


class _Handler(BaseHTTPRequestHandler):
    queue: FakeQueue
    protocol_version = "HTTP/1.1"

    def _do(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.queue.answer(self.command, self.path, headers, content)
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, told = answer
        body = told if isinstance(told, bytes) else orjson.dumps(told)
        self.send_response(status)
        self.send_header("Content-Type", "image/png" if isinstance(told, bytes) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _do  # noqa: N815  names of http.server

    def log_message(self, *arguments: Any) -> None:
        """Write no log."""
