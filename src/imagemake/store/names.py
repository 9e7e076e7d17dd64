"""A digest of the names of all files in content stores, which lists only folders that changed since the last one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from imagemake.core.file_stamp import StampCache, stamp_of
from imagemake.store.store import ContentStore
from imagemake.store.stored_file import folder_of

_VERSION = 1


def names_digest(stores: Iterable[ContentStore], cache: Path) -> str:
    """Return a digest of the names of all files.

    Args:
        stores: The content stores.
        cache: The file that remembers the names' digest of each folder, as long as the folder does not change.
    """
    known = StampCache[str](cache, _VERSION, str, str)
    content = hashlib.sha256()
    for store in stores:
        for name in sorted(store.folder_times()):
            content.update(f"{store.folder.name}/{name} {_of_folder(store, name, known)}\n".encode())
    known.save()
    return content.hexdigest()


def _of_folder(store: ContentStore, name: str, known: StampCache[str]) -> str:
    folder = store.folder / folder_of(name)
    now_ns, stamp, at = time.time_ns(), stamp_of(folder), f"{store.folder}/{name}"
    digest = known.get(at, stamp) if stamp else None
    if digest is None:
        names = sorted(stored.file_name for stored in store.in_folder(name))
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        known.put(at, stamp if stamp == stamp_of(folder) else None, digest, now_ns)
    return digest
