"""Reading the whole store, to find damage before a build does."""

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
        root: The store's folder.
        move: Whether damaged files are moved out of the way.
        tell: Is told now and then how many files are done, of how many.

    Returns:
        How many files there are, and which of them are damaged.
    """
    store = Store(root)
    content_stores = (store.raw, store.finished, store.references, store.reproduced, store.signatures)
    files = [(content_store, stored) for content_store in content_stores for stored in content_store.all()]
    damaged: list[Path] = []
    with ThreadPoolExecutor() as pool:  # hashing lets go of the interpreter's lock
        for done, ((content_store, stored), is_sound) in enumerate(
            zip(files, pool.map(_is_sound, files), strict=True), 1
        ):
            if not is_sound:
                damaged.append(content_store.path(stored))
                if move:
                    content_store.set_aside(stored)
            if done % TELL_EVERY == 0 or done == len(files):
                tell(done, len(files))
    return len(files), damaged


def _is_sound(file: tuple[ContentStore, StoredFile]) -> bool:
    content_store, stored = file
    try:
        with content_store.path(stored).open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == stored.digest
    except OSError:  # a bad sector, or a file that went away
        return False
