"""Thumbnails for the contact sheet, cached in ``work/`` by the digest of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
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

    def made(self, digest: str, path_of: Callable[[], Path | None]) -> bytes | None:
        """Return the thumbnail of an image, created if it is not cached; None if the image cannot be decoded.

        Args:
            digest: The image's SHA-256.
            path_of: Returns where the image is; None if it is missing.
        """
        data = self.get(digest)
        path = path_of() if data is None else None
        if path is not None:
            from imagemake.images.decoded import Undecodable
            from imagemake.images.thumbnail import thumbnail_of

            with suppress(Undecodable, FileNotFoundError):
                data = thumbnail_of(path.read_bytes())
                self.put(digest, data)
        return data

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
        data = self._cache.made(stored.digest, lambda: store.path(stored))
        if data is None:
            raise KeyError(name)
        return data

    def __contains__(self, name: object) -> bool:
        return name in self._shown

    def __iter__(self) -> Iterator[str]:
        return iter(self._shown)

    def __len__(self) -> int:
        return len(self._shown)
