"""A server that keeps every request as it came, and gives all of them the same answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

IMAGE = {"data": [{"b64_json": "aGVsbG8="}]}


@dataclass(frozen=True, slots=True)
class Request:
    """A request; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Recording:
    """What came, and the address without a path."""

    address: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def recording(answer: Any = IMAGE, status: int = 200, headers: Mapping[str, str] | None = None) -> Iterator[Recording]:
    """Run a server on 127.0.0.1."""
    body = json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = {name.lower(): value for name, value in self.headers.items()}
            content = self.rfile.read(int(sent.get("content-length", 0)))
            found.requests.append(Request(self.command, self.path, sent, content))
            self.send_response(status)
            for name, value in {"content-type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815  the names are http.server's

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Recording(f"http://127.0.0.1:{http.server_port}")
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        http.shutdown()
        http.server_close()
