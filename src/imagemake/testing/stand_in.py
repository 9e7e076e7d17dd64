"""A server on this machine that answers as a test says, and keeps every request as it came."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from imagemake.testing.api import Delivery, Request, Response

DRIP_S = 0.02
CHUNK = b" " * 2**20
MOST_FLOOD_BYTES = 512 * 2**20
LONGEST_S = 20.0  # of a response without end, if the client stays
_OF_ONE_CONNECTION = {"host", "connection", "content-length", "transfer-encoding", "keep-alive", "accept-encoding"}


class StandIn:
    """A running server.

    Attributes:
        respond: What it answers.
        requests: Everything that came, in the order of arrival.
        address: Scheme, host, and port.
        n_left: Number of clients that closed the connection before they had a response without end.
    """

    def __init__(self, respond: Callable[[Request], Response], port: int) -> None:
        self.respond = respond
        self.requests: list[Request] = []
        self.address = f"http://127.0.0.1:{port}"
        self.n_left = 0


@contextmanager
def serving(respond: Callable[[Request], Response]) -> Iterator[StandIn]:
    """Run a server at a free port."""

    class Handler(_Handler):
        pass

    server = _Server(("127.0.0.1", 0), Handler)
    Handler.stand_in = StandIn(respond, server.server_port)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield Handler.stand_in
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def closed_port() -> Iterator[str]:
    """Yield an address at which nothing listens."""
    with socket.socket() as taken:  # bound, so that nobody else gets it, and not listening
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def forward(request: Request, address: str) -> Response:
    """Ask another server the same, such as a stand-in of the API that you already have.

    Args:
        request: What arrived.
        address: Scheme, host, and port of the other server.
    """
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=LONGEST_S)
    headers = {name: value for name, value in request.headers.items() if name not in _OF_ONE_CONNECTION}
    try:
        connection.request(request.method, request.target, request.body or None, headers)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_ONE_CONNECTION}
        return Response(answer.status, answer.read(), kept)
    finally:
        connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what `respond` raised, but nothing of clients that left."""
        import sys

        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body would wait 40 ms behind its headers

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(int(headers.get("content-length", 0))))
        self.stand_in.requests.append(request)
        response = self.stand_in.respond(request)
        if response.delivery in (Delivery.NOTHING, Delivery.NEVER):
            self._wait() if response.delivery is Delivery.NEVER else self._cut()
            return
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        without_end = response.delivery in (Delivery.DRIPPING, Delivery.FLOOD)
        self.send_header("Content-Length", str(10**12 if without_end else len(response.body)))
        self.end_headers()
        if response.delivery is Delivery.DRIPPING:
            self._wait(drip=b" ")
        elif response.delivery is Delivery.FLOOD:
            self._flood()
        elif response.delivery is Delivery.HALF:
            self.wfile.write(response.body[: len(response.body) // 2])
            self._cut()
        else:
            self.wfile.write(response.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _answer  # noqa: N815  names of http.server

    def _wait(self, drip: bytes = b"") -> None:
        end_s = time.monotonic() + LONGEST_S
        self.connection.settimeout(DRIP_S)
        while time.monotonic() < end_s:
            try:
                self.wfile.write(drip)
                if self.connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            return
        self.stand_in.n_left += 1
        self.close_connection = True

    def _flood(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            for _ in range(MOST_FLOOD_BYTES // len(CHUNK)):
                self.wfile.write(CHUNK)
            return
        self.stand_in.n_left += 1

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Write no log."""
