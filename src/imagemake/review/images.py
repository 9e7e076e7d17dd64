"""Serves images of the store. An address contains key and digest, so browsers can cache an image forever."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.responses import FileResponse, PlainTextResponse, Response

from imagemake.images.formats import media_type_of
from imagemake.store.layout import thumbnails_folder
from imagemake.store.store import Store, StoredFile
from imagemake.store.thumbnails import ThumbnailCache, Thumbnails

_DIGITS = re.compile(r"[0-9a-f]{64}")
# Images are untrusted bytes from a provider: a browser that opens one must not run anything in it.
HEADERS = {
    "cache-control": "private, max-age=31536000, immutable",
    "content-security-policy": "default-src 'none'; sandbox",
}


def image_url(stored: StoredFile) -> str:
    """Return the address of a raw image."""
    return f"/images/{stored.key}/{stored.digest}"


def thumbnail_url(stored: StoredFile) -> str:
    """Return the address of a raw image's thumbnail."""
    return f"/thumbnails/{stored.key}/{stored.digest}"


def find(store: Store, key: str, digest: str) -> StoredFile | None:
    """Find a raw image by key and digest; return None if the store has no such image."""
    if not (_DIGITS.fullmatch(key) and _DIGITS.fullmatch(digest)):
        return None
    stored = store.raw.find(key)
    return stored if stored is not None and stored.digest == digest else None


def image_response(store: Store, key: str, digest: str) -> Response:
    """Serve a raw image, exactly as the provider sent it."""
    stored = find(store, key, digest)
    kind = media_type_of(stored.extension) if stored else None
    if stored is None or kind is None:
        return PlainTextResponse("Image not found.", 404)
    return FileResponse(store.raw.path(stored), media_type=kind, headers=HEADERS)


def thumbnail_response(store: Store, work: Path, key: str, digest: str) -> Response:
    """Serve a thumbnail from the contact sheet's cache, and create it if it is missing."""
    stored = find(store, key, digest)
    thumbnails = Thumbnails(
        ThumbnailCache(thumbnails_folder(work)),
        {digest: (stored, store.raw)} if stored is not None else {},
    )
    small = thumbnails.get(digest)
    if small is None:
        return PlainTextResponse("Image not found.", 404)
    return Response(small, media_type="image/jpeg", headers=HEADERS)
