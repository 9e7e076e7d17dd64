"""Thumbnails for the contact sheet, cached in ``work/`` by the digest of the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from imagemake.core.files import set_folder_aside, write_whole
from imagemake.store.store import ContentStore, StoredFile


class ThumbnailCache:
    """A folder of thumbnails. You can delete it: creating them again takes only time.

    Args:
        folder: Folder of the cache, usually ``work/thumbnails``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, digest: str) -> bytes | None:
        """Return the thumbnail of an image by the image's SHA-256, or None if it is not cached or is no whole JPEG."""
        try:
            data = self._path(digest).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return None
        return data if data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9") else None

    def put(self, digest: str, data: bytes) -> None:
        """Cache the thumbnail of an image."""
        path = self._path(digest)
        set_folder_aside(path)
        write_whole(path, data)

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / f"{digest}.jpg"


class Thumbnails(Mapping[str, bytes]):
    """Thumbnails by name, each created on first access. Access to an image that cannot be decoded raises KeyError.

    Args:
        cache: Cache of thumbnails.
        shown: The image and the store that has it, by name.
    """

    def __init__(self, cache: ThumbnailCache, shown: Mapping[str, tuple[StoredFile, ContentStore]]) -> None:
        self._cache = cache
        self._shown = shown

    def __getitem__(self, name: str) -> bytes:
        stored, store = self._shown[name]
        data = self._cache.get(stored.digest)
        if data is None:
            from imagemake.images.decoded import Undecodable
            from imagemake.images.thumbnail import thumbnail_of

            try:
                data = thumbnail_of(store.path(stored).read_bytes())
            except (Undecodable, FileNotFoundError) as error:
                raise KeyError(name) from error
            self._cache.put(stored.digest, data)
        return data

    def __contains__(self, name: object) -> bool:
        return name in self._shown

    def __iter__(self) -> Iterator[str]:
        return iter(self._shown)

    def __len__(self) -> int:
        return len(self._shown)
