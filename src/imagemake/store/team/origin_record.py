"""The note beside a shared image: what it is, who made it, what it cost. Written by others, so not trusted.

``raw/ab/<key>.json`` names the one image of a key, ``raw/ab/<key>.<digest>.<extension>``. The image is there before
its note, so a note without its image is damage. It holds nothing of a configuration, a catalog or a person.
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
MOST_NOTE_BYTES = 1_000_000  # a prompt has at most 32,000 characters
MOST_IMAGE_BYTES = 100_000_000  # as for an image from a provider
_DIGEST = re.compile(r"[0-9a-f]{64}")
_EXTENSION = re.compile(r"[a-z0-9]{1,5}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_MOST_CHARACTERS = 200
_MOST_USD = 1e6


@dataclass(frozen=True, slots=True)
class OriginRecord:
    """What a note tells.

    Attributes:
        stored: Key, digest and extension of the image.
        n_bytes: Its size.
        generated_at: When it came from the provider, ISO 8601 in UTC; None where nobody knows.
        request_id: The provider's own name of the call that made it.
        cost_usd: What that call was billed; None where nobody knows.
    """

    stored: StoredFile
    n_bytes: int
    generated_at: str | None = None
    request_id: str | None = None
    cost_usd: float | None = None


def note_name(key: str) -> str:
    """Return where the note of a key is."""
    return f"raw/{key[:2]}/{key}.json"


def image_name(stored: StoredFile) -> str:
    """Return where an image is."""
    return f"raw/{stored.key[:2]}/{stored.file_name}"


def note_bytes(origin: OriginRecord, recipe: Mapping[str, Any] | None) -> bytes:
    """Write a note; what is not known is left out.

    Args:
        origin: What it tells.
        recipe: The recipe of the key; None keeps it, and with it the prompt, out.
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
    """Read a note.

    Args:
        data: Whatever was found under its name.
        key: The key that it was asked for.

    Raises:
        ValueError: If it cannot be a note of this key; the message says why.
    """
    try:
        facts = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise ValueError("its note is no JSON") from None
    if not isinstance(facts, dict) or facts.get("version") != VERSION:
        raise ValueError(f"its note is not of version {VERSION}")
    if facts.get("key") != key:
        raise ValueError("its note is of another key")
    digest, extension, n_bytes = (facts.get(name) for name in ("digest", "extension", "bytes"))
    if not (_matches(_DIGEST, digest) and _matches(_EXTENSION, extension)):
        raise ValueError("its note names no image")
    if type(n_bytes) is not int or not 0 < n_bytes <= MOST_IMAGE_BYTES:
        raise ValueError("its note tells no size that an image can have")
    if "recipe" in facts and _key_of(facts["recipe"]) != key:
        raise ValueError("the recipe in its note is that of another key")
    stored = StoredFile(key, str(digest), str(extension))
    time, cost, request = (facts.get(name) for name in ("generated_at", "cost_usd", "request_id"))
    return OriginRecord(
        stored,
        n_bytes,
        generated_at=time if _matches(_TIME, time) else None,
        request_id=request[:_MOST_CHARACTERS] if isinstance(request, str) and request.isprintable() else None,
        cost_usd=_cost_of(cost),
    )


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _cost_of(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _MOST_USD else None  # no comparison holds for NaN


def _key_of(recipe: Any) -> str | None:
    try:
        return digest_of(recipe)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
