"""Checks all files of a store for damage, before a build finds it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from imagemake.core.hashing import each_sha256
from imagemake.store.store import Store

TELL_EVERY = 2_000


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
    n_files = sum(1 for content_store in content_stores for _ in content_store.all())
    files = ((content_store, stored) for content_store in content_stores for stored in content_store.all())
    n_read, damaged = 0, list[Path]()
    while some := list(islice(files, TELL_EVERY)):
        paths = [content_store.path(stored) for content_store, stored in some]
        for (content_store, stored), path, digest in zip(some, paths, each_sha256(paths), strict=True):
            if digest != stored.digest:
                damaged.append(path)
                if move:
                    content_store.set_aside(stored)
        n_read += len(some)
        tell(n_read, max(n_files, n_read))
    return n_read, damaged
