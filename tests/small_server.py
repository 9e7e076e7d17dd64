"""A server of the standard library that starts quickly and misbehaves on request; a program of its own.

python small_server.py PORT [MANNER ...]

Manners are those below; after `once`, the last word is a file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MANNERS = ("exits", "never-ready", "ignores-term", "has-child", "slow", "once")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with what this process is; /crash ends it, and /health can say that it is not ready."""
        if self.path == "/crash":
            print("about to crash", flush=True)
            os._exit(7)
        status = 503 if "never-ready" in sys.argv and self.path == "/health" else 200
        told = {"pid": os.getpid(), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"), "arguments": sys.argv[2:]}
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """End in the middle of a call."""
        self.path = "/crash"
        self.do_GET()

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


def main() -> None:
    """Listen at a port of this machine."""
    manners = sys.argv[2:]
    print("loading \x1b[31mweights", flush=True)
    if "exits" in manners:
        print("no such weights", flush=True)
        sys.exit(2)
    if "once" in manners and (seen := Path(sys.argv[-1])).exists():
        sys.exit("the second start fails")
    elif "once" in manners:
        seen.touch()
    if "ignores-term" in manners:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "has-child" in manners:  # in a session of its own, as workers on GPUs can be
        subprocess.Popen(["sleep", "600"], start_new_session=True)
    if "slow" in manners:
        time.sleep(1.5)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()


if __name__ == "__main__":
    main()
