"""The server as an object: a process of its own, its record one call away."""

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
    """A stand-in server in a process and session of its own, so that killing a client's process group leaves it alone.

    It ends with the `with` block, and with the process that started it, however that one dies.

    Args:
        settings: How to behave.
        record: File that gets a JSON line a call, at once; None for memory only.
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
            env={**os.environ, "PYTHONPATH": str(tests)},
            start_new_session=True,
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None and self._process.stdout is not None
        # The pipe stays open: the server ends when its other end is gone.
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
        """End the server; what it still works on is lost."""
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
        """How the server behaves."""
        return self._settings

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead the SDK of a child process here."""
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": STAND_IN_KEY}

    def calls(self, after: int = 0) -> list[Call]:
        """Return the calls in the order of arrival, those that are still worked on included.

        Args:
            after: Leave out the calls up to this number.
        """
        return [Call(**fields) for fields in self._ask(f"/_record?after={after}")["calls"]]

    def totals(self) -> Totals:
        """Return what all calls since the start or the last reset add up to."""
        return Totals(**self._ask(f"/_record?after={sys.maxsize}")["totals"])

    def reset(self) -> None:
        """Forget all calls, fill the rate limits' buckets, and let rules start counting anew."""
        self._ask("/_reset", {})

    def change(self, **changes: Any) -> None:
        """Replace some settings; buckets are full and rules unused then.

        Raises:
            pydantic.ValidationError: If a name or a value is not allowed.
        """
        self._settings = self._settings.changed(changes)
        self._ask("/_settings", self._settings.model_dump(mode="json"))

    def wait_until_idle(self, timeout_s: float = 30) -> None:
        """Wait until no call is worked on: after a client was killed, its calls are made and billed all the same.

        Raises:
            TimeoutError: If some are after this many seconds.
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
