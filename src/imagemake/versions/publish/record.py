"""The record of what earlier publishes sent to a remote: a small, untrusted file on the remote.

It is written before the first file is sent, with all planned files, and again after the last one. So the files of an
interrupted publish are known, and the remote's listing shows which are complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

NAME = ".imagemake/published.json"
VERSION = 1
MAX_BYTES = 200_000_000  # a million files take 150 MB
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SentFile:
    """One file that a publish sent.

    Attributes:
        digest: SHA-256 of its content.
        etag: Its ETag on the remote; None if unknown or if the remote has none.
        is_complete: Whether it was sent completely; False if it was only planned.
    """

    digest: str
    etag: str | None = None
    is_complete: bool = True


def read_record(data: bytes | None) -> Mapping[str, SentFile]:
    """Read a record, and skip invalid entries.

    Raises:
        ValueError: If the file is not a record.
    """
    if data is None:
        return {}
    try:
        record = orjson.loads(data)
        files = record["files"] if record["version"] == VERSION else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        files = None
    if not isinstance(files, dict):
        raise ValueError(f"{NAME} is not a valid publish record")
    found = {}
    for name, entry in files.items():
        if not is_safe(name) or not isinstance(entry, dict):
            continue
        digest, etag = entry.get("digest"), entry.get("etag")
        if isinstance(digest, str) and _DIGEST.fullmatch(digest) and isinstance(etag, str | None):
            found[name] = SentFile(digest, etag, entry.get("sure") is True)
    return found


def record_parts(files: Mapping[str, SentFile]) -> Iterator[bytes]:
    """Yield the content of a record. Equal records give equal bytes."""
    yield b'{"version":%d,"files":{' % VERSION
    # One by one, because all of a large release take many times their text in memory.
    for number, name in enumerate(sorted(files)):
        sent = files[name]
        entry = {"digest": sent.digest, "sure": sent.is_complete, **({"etag": sent.etag} if sent.etag else {})}
        yield b"%b%b:%b" % (b"," if number else b"", orjson.dumps(name), orjson.dumps(entry))
    yield b"}}"


def is_safe(name: str) -> bool:
    """Return whether a name stays below the remote's address and is not a hidden file such as the record."""
    parts = name.split("/")
    return bool(name) and all(part not in ("", ".", "..") for part in parts) and not parts[0].startswith(".")
