"""Pictures of the store for the browser: found by key, named by digest, so that a cached copy is good for ever."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import FileResponse, PlainTextResponse, Response

from imagemake.store.store import Held, Store
from imagemake.store.thumbnails import ThumbnailCache, Thumbnails

KINDS: Mapping[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
}
_DIGITS = re.compile(r"[0-9a-f]{64}")
# A picture is bytes from a provider: opened by itself, it may do nothing.
HEADERS = {
    "cache-control": "private, max-age=31536000, immutable",
    "content-security-policy": "default-src 'none'; sandbox",
}


def picture_url(held: Held) -> str:
    """Return where a raw picture is served."""
    return f"/pictures/{held.key}/{held.digest}"


def thumbnail_url(held: Held) -> str:
    """Return where a raw picture's thumbnail is served."""
    return f"/thumbnails/{held.key}/{held.digest}"


def find(store: Store, key: str, digest: str) -> Held | None:
    """Look a raw picture up; nothing else is ever opened."""
    if not (_DIGITS.fullmatch(key) and _DIGITS.fullmatch(digest)):
        return None
    held = store.raw.find(key)
    return held if held is not None and held.digest == digest else None


def picture_response(store: Store, key: str, digest: str) -> Response:
    """Answer with a raw picture, as it came from the provider."""
    held = find(store, key, digest)
    kind = KINDS.get(held.extension) if held else None
    if held is None or kind is None:
        return PlainTextResponse("There is no such picture.", 404)
    return FileResponse(store.raw.path(held), media_type=kind, headers=HEADERS)


def thumbnail_response(store: Store, work: Path, key: str, digest: str) -> Response:
    """Answer with a small picture from the cache of the contact sheet; one that is missing is made."""
    held = find(store, key, digest)
    thumbnails = Thumbnails(
        ThumbnailCache(work / "thumbnails"), {digest: (held, store.raw.path(held))} if held is not None else {}
    )
    small = thumbnails.get(digest)
    if small is None:
        return PlainTextResponse("There is no such picture.", 404)
    return Response(small, media_type="image/jpeg", headers=HEADERS)
