"""A file of the journal in a bucket, where nothing can be appended: it is in parts, each written once.

``journal/DAY/FILE.jsonl/OFFSET-WRITER`` has what one writer added from an offset on. When a writer ends, its first part
becomes the whole, and the others go. Records carry their own checksums, and only their order within one writer matters.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from imagemake.store.remote.errors import PlaceError

if TYPE_CHECKING:
    from pathlib import Path

    from imagemake.store.remote.storage import Storage

_DIGITS = 12
TYPE = "application/x-ndjson"


class Part(NamedTuple):
    """A part that a listing shows."""

    name: str
    offset: int
    writer: str
    bytes: int


def parts_of(sizes: Mapping[str, int]) -> dict[str, list[Part]]:
    """Return the parts to read for each file of the journal, in order, from the sizes of all parts by name."""
    chains: dict[tuple[str, str], list[Part]] = {}
    for name, size in sizes.items():
        file, _, last = name.rpartition("/")
        offset, _, writer = last.partition("-")
        if file.endswith(".jsonl") and offset.isdigit() and writer:
            chains.setdefault((file, writer), []).append(Part(name, int(offset), writer, size))
    found: dict[str, list[Part]] = {}
    for (file, _), parts in sorted(chains.items(), key=lambda one: min(one[1], key=lambda part: part.offset)[1:3]):
        have = 0
        for part in sorted(parts, key=lambda part: part.offset):
            if part.offset + part.bytes > have:  # else the first part has it by now
                found.setdefault(file, []).append(part)
                have = part.offset + part.bytes
    return found


class JournalParts:
    """Sends what is appended to one file of the journal.

    Args:
        storage: The bucket.
        put: Writes a file there, and tries again for minutes.
        path: The file.
        name: Its name in the bucket.
    """

    def __init__(self, storage: Storage, put: Callable[[str, bytes, str], None], path: Path, name: str) -> None:
        self._storage, self._put, self._path, self._file = storage, put, path, name
        self._writer = uuid.uuid4().hex[:12]
        self._begin = self._sent = path.stat().st_size if path.exists() else 0
        self._names: list[str] = []

    def extend(self, handle: int) -> None:
        """Send what was appended since the last time.

        Raises:
            PlaceError: If the bucket does not take it.
        """
        added = os.pread(handle, os.fstat(handle).st_size - self._sent, self._sent)
        if added:
            name = self._name(self._sent)
            self._put(name, added, TYPE)
            self._names.append(name)
            self._sent += len(added)

    def finish(self) -> None:
        """Make one part of all. The parts stay if that fails."""
        if len(self._names) < 2:
            return
        with suppress(PlaceError, OSError):
            with self._path.open("rb") as file:
                own = os.pread(file.fileno(), self._sent - self._begin, self._begin)
            self._storage.put(self._name(self._begin), own, TYPE)
            self._storage.each(self._storage.delete, self._names[1:])

    def _name(self, offset: int) -> str:
        return f"{self._file}/{offset:0{_DIGITS}}-{self._writer}"
