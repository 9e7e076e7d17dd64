"""A webhook that records its messages."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook(ThreadingHTTPServer):
    """Accepts messages, or responds with another `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[dict[str, Any]] = []
        self.status = 200

    @property
    def address(self) -> str:
        """JSON as Apprise sends it."""
        return f"json://127.0.0.1:{self.server_port}/"

    @property
    def told(self) -> list[tuple[str, str]]:
        """Titles and texts of the messages."""
        return [(message["title"], message["message"]) for message in self.taken]


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        self.server.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def a_webhook() -> Iterator[Webhook]:
    """Run a webhook."""
    server = Webhook()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
