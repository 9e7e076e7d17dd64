"""The store's images as they are sent to models."""

from __future__ import annotations

from collections.abc import Mapping

from imagemake.images.decoded import Undecodable
from imagemake.plugins.asking.sent_image import sent_image
from imagemake.store.store import ContentStore, DamagedError, StoredFile


class ImagesToSend(ContentStore):
    """Finds raw images by their digests, and reads them no larger than a model does.

    Args:
        raw: The store's raw images.
        by_digest: The images.
        edge_px: Longest edge to send, in pixels.
    """

    def __init__(self, raw: ContentStore, by_digest: Mapping[str, StoredFile], edge_px: int) -> None:
        super().__init__(raw.folder, raw.damaged)
        self._by_digest = by_digest
        self._edge_px = edge_px

    def find(self, key: str) -> StoredFile | None:
        """Return the image with a digest, or None."""
        return self._by_digest.get(key)

    def read(self, stored: StoredFile) -> bytes:
        """Return an image as it is sent.

        Raises:
            DamagedError: If it is missing, damaged, or no image.
        """
        try:
            return sent_image(super().read(stored), self._edge_px)
        except Undecodable as error:
            raise DamagedError(f"{self.path(stored)} cannot be sent: {error}") from None
