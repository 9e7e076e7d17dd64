"""Makes ``store/`` the copy of a store in a bucket, if the configuration says so; else, nothing is imported for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.store.in_bucket import attach

if TYPE_CHECKING:
    from imagemake.config.remotes import SharedStore
    from imagemake.store.whole.whole_store import WholeStore


@contextmanager
def attached(settings: SharedStore, root: Path, job: str, *, writes: bool = True) -> Iterator[WholeStore | None]:
    """Make a folder the copy of the store in the bucket for a while; None if the store is in no bucket.

    Args:
        settings: Section ``store`` of the configuration.
        root: Folder of the store.
        job: Name of the job or command, for claims.
        writes: Whether other processes are to know of this one; a dry run needs no right to write.

    Raises:
        PlaceError: If the bucket cannot be read and written. Nothing was paid for.
    """
    if settings.whole is None:
        yield None
        return
    from imagemake.store.whole.whole_store import WholeStore

    whole = WholeStore(settings.whole, settings.timeout_s, root, job)
    if writes:
        whole.begin()
    end = attach(root, whole)
    try:
        yield whole
    finally:
        end()
        whole.close()
