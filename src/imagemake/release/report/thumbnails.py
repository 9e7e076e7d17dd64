"""Where the thumbnails of a contact sheet come from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from imagemake.config.fields import MAIN
from imagemake.images.formats import FORMATS
from imagemake.plan.policy import policy_of
from imagemake.store.layout import thumbnails_folder
from imagemake.store.store import StoredFile
from imagemake.store.thumbnails import ThumbnailCache

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.release.manifest.row import ManifestRow
    from imagemake.store.store import Store


class Thumbnails(Protocol):
    """Thumbnails of a release."""

    def of_row(self, row: ManifestRow, place: int | None) -> bytes | None:
        """Return the thumbnail of a row's shown attempt, or of an earlier one; None without one.

        Args:
            row: The row.
            place: Place of the earlier attempt in the row's history; None for the shown one.
        """
        ...

    def of_reference(self, digest: str) -> bytes | None:
        """Return the thumbnail of a reference image or mask, by its digest; None without one."""
        ...


class ReleaseThumbnails:
    """Thumbnails from the images of a store, created when they are asked for.

    Args:
        store: The store.
        work: The folder of the cache.
        campaign: The campaign.
    """

    def __init__(self, store: Store, work: Path, campaign: Campaign) -> None:
        self._store, self._cache = store, ThumbnailCache(thumbnails_folder(work))
        self._keys_of = policy_of(campaign).output_keys
        self._extension = FORMATS[campaign.postprocess.output.format].extension

    def of_row(self, row: ManifestRow, place: int | None) -> bytes | None:
        """See `Thumbnails`."""
        if place is not None:
            past = row.history[place]
            return self._of_raw(past["key"], past["raw_digest"])
        if row.raw_digest is None or row.finished_digest is None:
            return self._of_raw(row.key, row.raw_digest)
        stored = StoredFile(self._keys_of(row.raw_digest)[MAIN], row.finished_digest, self._extension)
        return self._cache.made(stored.digest, lambda: self._store.finished.path(stored))

    def of_reference(self, digest: str) -> bytes | None:
        """See `Thumbnails`."""
        stored = self._references.get(digest)
        return None if stored is None else self._cache.made(digest, lambda: self._store.references.path(stored))

    def _of_raw(self, key: str, digest: str | None) -> bytes | None:
        def path() -> Path | None:
            stored = self._store.raw.find(key)
            return None if stored is None else self._store.raw.path(stored)

        return None if digest is None else self._cache.made(digest, path)

    @cached_property
    def _references(self) -> Mapping[str, StoredFile]:
        return self._store.references.index()
