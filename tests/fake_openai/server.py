"""The server as an object, which runs in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from fake_openai.record import Call, Totals
from fake_openai.settings import Settings

STAND_IN_KEY = "sk-stand-in"
HTTP_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10
POLL_S = 0.02


class FakeOpenAI:
    """A stand-in server in a separate process and session, so that it survives killing a client's process group.

    It ends with the `with` block, or when the process that started it ends for any reason.

    Args:
        settings: Settings of the server.
        record: File to write one JSON line per call to, immediately; None for memory only.
        port: Port on 127.0.0.1; 0 for a free one.

    Attributes:
        base_url: Address to give to a client, with `/v1`.
        pid: The server's process id.
    """

    base_url: str
    pid: int

    def __init__(self, settings: Settings | None = None, *, record: Path | None = None, port: int = 0) -> None:
        self._settings = settings or Settings()
        self._record = record
        self._port = port
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> FakeOpenAI:
        tests = Path(__file__).resolve().parents[1]
        command = [sys.executable, "-m", "fake_openai", "--owned", "--port", str(self._port), "--settings", "-"]
        if self._record is not None:
            command += ["--record", str(self._record.resolve())]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(tests), os.environ.get("PYTHONPATH")]))},
            start_new_session=True,
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None and self._process.stdout is not None
        # The pipe stays open. The server ends when the other end closes.
        self._process.stdin.write(self._settings.model_dump_json().encode() + b"\n")
        self._process.stdin.flush()
        self.base_url = self._process.stdout.readline().decode().strip()
        if not self.base_url:
            self.stop()
            raise RuntimeError("the stand-in server did not start; what it says is on the standard error stream")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server. Calls in progress are lost."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def settings(self) -> Settings:
        """Settings of the server."""
        return self._settings

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that make the SDK of a child process use this server."""
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": STAND_IN_KEY}

    def calls(self, after: int = 0) -> list[Call]:
        """Return the calls in order of arrival, including those in progress.

        Args:
            after: Leave out the calls up to this number.
        """
        return [Call(**fields) for fields in self._ask(f"/_record?after={after}")["calls"]]

    def totals(self) -> Totals:
        """Return the totals of all calls since the start or the last reset."""
        return Totals(**self._ask(f"/_record?after={sys.maxsize}")["totals"])

    def reset(self) -> None:
        """Forget all calls, files, and batches, fill the rate limits' buckets, and let rules start counting anew."""
        self._ask("/_reset", {})

    def renew(self, settings: Settings) -> None:
        """Let the server be as if it had just started with these settings. One that was stopped starts again."""
        if self._process.poll() is not None:
            self._port = int(self.base_url.removesuffix("/v1").rpartition(":")[2])  # which projects know
            self.__enter__()
        self.change(**dict(settings))
        self.reset()

    def change(self, **changes: Any) -> None:
        """Replace some settings, refill buckets, and reset the counts of rules.

        Raises:
            pydantic.ValidationError: If a name or a value is not allowed.
        """
        self._settings = self._settings.changed(changes)
        self._ask("/_settings", self._settings.model_dump(mode="json"))

    def wait_until_idle(self, timeout_s: float = 30) -> None:
        """Wait until no call is in progress. Calls of a killed client are still processed and billed.

        Raises:
            TimeoutError: If a call is still in progress after this many seconds.
        """
        end_s = time.monotonic() + timeout_s
        while (left := self.totals().in_flight) > 0:
            if time.monotonic() > end_s:
                raise TimeoutError(f"{left} calls are still worked on after {timeout_s} s")
            time.sleep(POLL_S)

    def _ask(self, path: str, body: object = None) -> Any:
        url = self.base_url.removesuffix("/v1") + path
        data = None if body is None else orjson.dumps(body)
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        try:
            with self._opener.open(request, timeout=HTTP_TIMEOUT_S) as response:
                return orjson.loads(response.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{url}: {error.read().decode(errors='replace')}") from error
