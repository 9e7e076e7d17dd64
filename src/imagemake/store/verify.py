"""Checks all files of a store for damage, before a build finds it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagemake.store.store import ContentStore, Store, StoredFile

TELL_EVERY = 500


def verify_store(root: Path, *, move: bool, tell: Callable[[int, int], None]) -> tuple[int, list[Path]]:
    """Compare every image of a store with the digest in its name.

    Args:
        root: Folder of the store.
        move: Whether to move damaged files aside.
        tell: Called regularly with the number of checked files and the number of all files.

    Returns:
        Number of files, and the paths of damaged files.
    """
    store = Store(root)
    content_stores = (store.raw, store.finished, store.references, store.reproduced, store.signatures, store.answers)
    files = [(content_store, stored) for content_store in content_stores for stored in content_store.all()]
    damaged: list[Path] = []
    with ThreadPoolExecutor() as pool:  # hashing releases the global interpreter lock
        for start in range(0, len(files), TELL_EVERY):  # a pool remembers all that it was given
            some = files[start : start + TELL_EVERY]
            for (content_store, stored), is_sound in zip(some, pool.map(_is_sound, some), strict=True):
                if not is_sound:
                    damaged.append(content_store.path(stored))
                    if move:
                        content_store.set_aside(stored)
            tell(start + len(some), len(files))
    return len(files), damaged


def _is_sound(file: tuple[ContentStore, StoredFile]) -> bool:
    content_store, stored = file
    try:
        with content_store.path(stored).open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == stored.digest
    except OSError:  # a bad sector, or a file that was removed
        return False
