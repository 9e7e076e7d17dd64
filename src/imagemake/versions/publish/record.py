"""What earlier publishes put somewhere, by digest: a small file beside it, which is not trusted.

It is written before the first file is sent, with what will be there, and after the last one. So what a killed publish
left is known as ours; whether it is whole, the listing of the place tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

NAME = ".imagemake/published.json"
VERSION = 1
MOST_BYTES = 200_000_000  # a million files have 150 MB
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SentFile:
    """One file that was put there.

    Attributes:
        digest: SHA-256 of its content.
        etag: What the place called it then; None where it has no such thing, or it is not known yet.
        is_sure: Whether it was sent whole; False where it was about to be.
    """

    digest: str
    etag: str | None = None
    is_sure: bool = True


def read_record(data: bytes | None) -> Mapping[str, SentFile]:
    """Read what is there; what cannot be ours is left out.

    Raises:
        ValueError: If it is no record at all.
    """
    if data is None:
        return {}
    try:
        told = orjson.loads(data)
        files = told["files"] if told["version"] == VERSION else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        files = None
    if not isinstance(files, dict):
        raise ValueError(f"{NAME} is no record of what was published")
    found = {}
    for name, entry in files.items():
        if not is_safe(name) or not isinstance(entry, dict):
            continue
        digest, etag = entry.get("digest"), entry.get("etag")
        if isinstance(digest, str) and _DIGEST.fullmatch(digest) and isinstance(etag, str | None):
            found[name] = SentFile(digest, etag, entry.get("sure") is True)
    return found


def record_bytes(files: Mapping[str, SentFile]) -> bytes:
    """Write it; equal facts give equal bytes."""
    told = {
        name: {"digest": sent.digest, "sure": sent.is_sure, **({"etag": sent.etag} if sent.etag else {})}
        for name, sent in sorted(files.items())
    }
    return orjson.dumps({"version": VERSION, "files": told})


def is_safe(name: str) -> bool:
    """Say whether a name stays below its address, and is none of our own notes."""
    parts = name.split("/")
    return bool(name) and all(part not in ("", ".", "..") for part in parts) and not parts[0].startswith(".")
