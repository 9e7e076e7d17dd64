"""A time stamping authority for tests: RFC 3161, by the openssl program."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from certificates import Chain

_CONFIG = """\
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@contextmanager
def time_stamping(folder: Path, authority: Chain) -> Iterator[str]:
    """Serve time stamps, and yield the address.

    Args:
        folder: Folder for its files.
        authority: Signer whose certificate is for time stamps.
    """
    files = {"signer.pem": authority.signer, "key.pem": authority.key, "chain.pem": authority.root, "serial": "01\n"}
    files["tsa.cnf"] = _CONFIG.format(folder=folder)
    for name, text in files.items():
        (folder / name).write_text(text)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-signer", "signer.pem"]
            command += ["-inkey", "key.pem", "-chain", "chain.pem", "-out", "answer"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            answer = (folder / "answer").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
