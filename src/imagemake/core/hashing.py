"""SHA-256 of files, one or many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

_BLOCK_BYTES = 1_000_000  # `hashlib.file_digest` takes longer for its buffer than for a small image
_IN_TASK = 64  # files; a task each would take longer than its file
_TASKS = 16  # at a time, because a pool remembers all that it was given


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    content = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while data := file.read(_BLOCK_BYTES):
            content.update(data)
    return content.hexdigest()


def each_sha256(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the SHA-256 of each file, in order, using all cores; empty for a file that is missing or cannot be read."""
    left = iter(paths)
    with ThreadPoolExecutor() as pool:  # reading and hashing release the global interpreter lock
        while some := list(islice(left, _IN_TASK * _TASKS)):
            parts = [some[start : start + _IN_TASK] for start in range(0, len(some), _IN_TASK)]
            for digests in pool.map(_digests, parts):
                yield from digests


def _digests(paths: Iterable[Path]) -> list[str]:
    return [_digest(path) for path in paths]


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError:  # also a bad sector
        return ""
