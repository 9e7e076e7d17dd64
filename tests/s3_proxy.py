"""A proxy for an S3 server that records requests, and can be slow, full, or faulty."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from yarl import URL

ENTRY = re.compile(rb"<Contents>(?:(?!</Contents>).)*?<Key>([^<]*)</Key>.*?</Contents>", re.DOTALL)  # of a listing
CODES = {507: "QuotaExceeded", 403: "AccessDenied"}
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-encoding", "expect"}


class Passed(NamedTuple):
    """One request: method, path, and sizes of the request's and the response's bodies."""

    method: str
    path: str
    sent_bytes: int
    came_bytes: int


class S3Proxy:
    """Forwards requests with their signatures.

    Attributes:
        passed: Requests since the last `reset`.
        in_flight: Number of current requests.
        delay_s: Delay of every write.
        denies_reads: Whether objects and listings are denied.
        spoil: Changes the body of a GET response.
        lag_s: How long a listing does not show a new object.
        on_put: Called before each write is forwarded.
        refusal: Returns the status with which to refuse a write; 0 forwards it.
        faults: Exceptions that `on_put` raised.
    """

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.endpoint = ""
        self.passed: list[Passed] = []
        self.in_flight = 0
        self.delay_s = 0.0
        self.denies_reads = False
        self.lag_s = 0.0
        self._new: dict[str, float] = {}  # objects, by the time when they were first written
        self.spoil: Callable[[bytes], bytes] = lambda body: body
        self.on_put: Callable[[], object] = lambda: None
        self.refusal: Callable[[], int] = lambda: 0
        self.faults: list[BaseException] = []
        self.thread = 0

    def reset(self) -> None:
        """Forget the recorded requests."""
        self.passed = []

    def count(self, method: str) -> int:
        """Number of requests with a method."""
        return len(self.paths(method))

    def paths(self, method: str) -> list[str]:
        """Paths of the requests with a method, in order."""
        return [one.path for one in self.passed if one.method == method]

    def cpu_s(self) -> float:
        """CPU time of the proxy, in seconds."""
        return time.clock_gettime(time.pthread_getcpuclockid(self.thread))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        try:
            return await self._pass_on(request)
        finally:
            self.in_flight -= 1

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.method == "PUT":
            await asyncio.sleep(self.delay_s)
            try:
                await asyncio.to_thread(self.on_put)
            except BaseException as error:
                self.faults.append(error)
            if status := await asyncio.to_thread(self.refusal):
                return _refusal(status)
        if self.denies_reads and request.method in ("GET", "HEAD"):
            return _refusal(403)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url = URL(self.behind + request.raw_path, encoded=True)
        async with (
            aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Content-Type"]) as session,
            session.request(request.method, url, headers=headers, data=body or None) as answer,
        ):
            came = await answer.read()
            if request.method == "GET" and answer.status in (200, 206):
                came = ENTRY.sub(self._if_shown, self.spoil(came)) if self.lag_s else self.spoil(came)
            if request.method == "PUT":
                self._new.setdefault(request.path.partition("/")[2].partition("/")[2], time.monotonic())
            if request.method == "DELETE":
                self._new.pop(request.path.partition("/")[2].partition("/")[2], None)
            self.passed.append(Passed(request.method, request.path, len(body), len(came)))
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in {*HOP_BY_HOP, "content-length", "content-range"}
            }
            if request.method == "HEAD":
                kept["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, body=came or None, headers=kept)

    def _if_shown(self, entry: re.Match[bytes]) -> bytes:
        written = self._new.get(unquote(entry[1].decode()), -self.lag_s)
        return entry[0] if time.monotonic() - written >= self.lag_s else b""


def _refusal(status: int) -> web.Response:
    return web.Response(status=status, text=f"<Error><Code>{CODES[status]}</Code></Error>")


@contextmanager
def an_s3_proxy(behind: str) -> Iterator[S3Proxy]:
    """Run a proxy.

    Args:
        behind: Address of the server.
    """
    proxy, loop, started = S3Proxy(behind), asyncio.new_event_loop(), threading.Event()

    async def serve() -> web.AppRunner:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def run() -> None:
        runner = loop.run_until_complete(serve())
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait()
    assert thread.ident is not None
    proxy.thread = thread.ident
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
