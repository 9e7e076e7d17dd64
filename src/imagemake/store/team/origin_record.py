"""The note beside a shared image: its digest, origin, and cost. Others write notes, so they are not trusted.

The note ``raw/ab/<key>.json`` names the only image of a key, ``raw/ab/<key>.<digest>.<extension>``. The image is
written before its note, so a note without its image means damage. A note holds no configuration, catalog, or personal
data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from imagemake.core.recipe import digest_of
from imagemake.store.store import StoredFile

VERSION = 1
MAX_NOTE_BYTES = 1_000_000  # a prompt has at most 32,000 characters
MAX_IMAGE_BYTES = 100_000_000  # as for an image from a provider
_DIGEST = re.compile(r"[0-9a-f]{64}")
_EXTENSION = re.compile(r"[a-z0-9]{1,5}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_MAX_CHARACTERS = 200
_MAX_USD = 1e6


@dataclass(frozen=True, slots=True)
class OriginRecord:
    """The content of a note.

    Attributes:
        stored: Key, digest and extension of the image.
        n_bytes: Size of the image.
        generated_at: When the provider returned the image, ISO 8601 in UTC, or None if unknown.
        request_id: The provider's id of the call, or None if unknown.
        cost_usd: Billed cost of the call, or None if unknown.
    """

    stored: StoredFile
    n_bytes: int
    generated_at: str | None = None
    request_id: str | None = None
    cost_usd: float | None = None


def note_name(key: str) -> str:
    """Return the name of a key's note."""
    return f"raw/{key[:2]}/{key}.json"


def image_name(stored: StoredFile) -> str:
    """Return the name of an image."""
    return f"raw/{stored.key[:2]}/{stored.file_name}"


def note_bytes(origin: OriginRecord, recipe: Mapping[str, Any] | None) -> bytes:
    """Return a note as JSON, without unknown values.

    Args:
        origin: Content of the note.
        recipe: Recipe of the key, or None to omit it, and with it the prompt.
    """
    facts: dict[str, Any] = {
        "version": VERSION,
        "key": origin.stored.key,
        "digest": origin.stored.digest,
        "extension": origin.stored.extension,
        "bytes": origin.n_bytes,
        "recipe": recipe,
        "generated_at": origin.generated_at,
        "request_id": origin.request_id,
        "cost_usd": origin.cost_usd,
    }
    known = {name: value for name, value in facts.items() if value is not None}
    return orjson.dumps(known, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)


def read_note(data: bytes, key: str) -> OriginRecord:
    """Read and check a note.

    Args:
        data: Content of the file, which may be anything.
        key: Key of the note.

    Raises:
        ValueError: If it is not a valid note of the key; the message is the reason.
    """
    try:
        facts = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise ValueError("its note is invalid JSON") from None
    if not isinstance(facts, dict) or facts.get("version") != VERSION:
        raise ValueError(f"its note does not have version {VERSION}")
    if facts.get("key") != key:
        raise ValueError("its note belongs to another key")
    digest, extension, n_bytes = (facts.get(name) for name in ("digest", "extension", "bytes"))
    if not (_matches(_DIGEST, digest) and _matches(_EXTENSION, extension)):
        raise ValueError("its note has no valid digest and extension")
    if type(n_bytes) is not int or not 0 < n_bytes <= MAX_IMAGE_BYTES:
        raise ValueError("its note has an invalid image size")
    if "recipe" in facts and _key_of(facts["recipe"]) != key:
        raise ValueError("the recipe in its note belongs to another key")
    stored = StoredFile(key, str(digest), str(extension))
    time, cost, request = (facts.get(name) for name in ("generated_at", "cost_usd", "request_id"))
    return OriginRecord(
        stored,
        n_bytes,
        generated_at=time if _matches(_TIME, time) else None,
        request_id=request[:_MAX_CHARACTERS] if isinstance(request, str) and request.isprintable() else None,
        cost_usd=_cost_of(cost),
    )


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _cost_of(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _MAX_USD else None  # excludes NaN too


def _key_of(recipe: Any) -> str | None:
    try:
        return digest_of(recipe)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
