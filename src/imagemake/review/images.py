"""Images of the store for the browser: found by key, named by digest, so that a cached copy is good for ever."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import FileResponse, PlainTextResponse, Response

from imagemake.store.store import Store, StoredFile
from imagemake.store.thumbnails import ThumbnailCache, Thumbnails

KINDS: Mapping[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
}
_DIGITS = re.compile(r"[0-9a-f]{64}")
# An image is bytes from a provider: opened by itself, it may do nothing.
HEADERS = {
    "cache-control": "private, max-age=31536000, immutable",
    "content-security-policy": "default-src 'none'; sandbox",
}


def image_url(stored: StoredFile) -> str:
    """Return where a raw image is served."""
    return f"/images/{stored.key}/{stored.digest}"


def thumbnail_url(stored: StoredFile) -> str:
    """Return where a raw image's thumbnail is served."""
    return f"/thumbnails/{stored.key}/{stored.digest}"


def find(store: Store, key: str, digest: str) -> StoredFile | None:
    """Look a raw image up; nothing else is ever opened."""
    if not (_DIGITS.fullmatch(key) and _DIGITS.fullmatch(digest)):
        return None
    stored = store.raw.find(key)
    return stored if stored is not None and stored.digest == digest else None


def image_response(store: Store, key: str, digest: str) -> Response:
    """Answer with a raw image, as it came from the provider."""
    stored = find(store, key, digest)
    kind = KINDS.get(stored.extension) if stored else None
    if stored is None or kind is None:
        return PlainTextResponse("There is no such image.", 404)
    return FileResponse(store.raw.path(stored), media_type=kind, headers=HEADERS)


def thumbnail_response(store: Store, work: Path, key: str, digest: str) -> Response:
    """Answer with a small image from the cache of the contact sheet; one that is missing is made."""
    stored = find(store, key, digest)
    thumbnails = Thumbnails(
        ThumbnailCache(work / "thumbnails"), {digest: (stored, store.raw.path(stored))} if stored is not None else {}
    )
    small = thumbnails.get(digest)
    if small is None:
        return PlainTextResponse("There is no such image.", 404)
    return Response(small, media_type="image/jpeg", headers=HEADERS)
