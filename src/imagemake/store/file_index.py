"""The files of a content store by key, in a fourth of the memory that an object for each takes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from imagemake.store.stored_file import StoredFile

_BYTES = 32  # of a key, and of a digest


class FileIndex(dict[str, StoredFile]):
    """Looks up files. If a key has two, from merged stores, the one whose digest comes first is found.

    Args:
        files: All files. Only those whose names have hexadecimal digits can be looked up.
    """

    def __init__(self, files: Iterable[StoredFile]) -> None:
        super().__init__()
        self._files = sorted(_packed(files))

    def get(self, key: str, default: Any = None) -> Any:
        """Return the file of a key."""
        try:
            wanted = bytes.fromhex(key)
        except ValueError:
            return default
        place = bisect_left(self._files, wanted)
        if place == len(self._files) or self._files[place][:_BYTES] != wanted:
            return default
        found = self._files[place]
        return StoredFile(key, found[_BYTES : 2 * _BYTES].hex(), found[2 * _BYTES :].decode("utf-8", "surrogateescape"))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __len__(self) -> int:
        return len(self._files)


def _packed(files: Iterable[StoredFile]) -> Iterator[bytes]:
    for stored in files:
        with suppress(ValueError):
            yield bytes.fromhex(stored.key + stored.digest) + stored.extension.encode("utf-8", "surrogateescape")
