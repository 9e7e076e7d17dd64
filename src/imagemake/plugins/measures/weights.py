"""Files of weights that a measure's user has: what they are, by their content, so that others measure anew.

Hashing hundreds of megabytes takes a second, so it is remembered in work/weights.json, by size and times.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from imagemake.core.file_stamp import StampCache, stamp_of
from imagemake.core.fingerprint import fingerprint
from imagemake.core.problems import NotReadyError
from imagemake.plugins.measures import Measure, measure_class

CACHE = Path("work/weights.json")
UNKNOWN = "unknown"
_CACHE_VERSION = 1
_DIGITS = 12


def with_weights(name: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what of a measure's settings decides what it reads: with a digest of its files instead of their paths.

    Files that are gone are taken to be those that were there last, so that what was measured by them stays measured
    where it is only looked at. Whoever measures needs them, and is told.

    Args:
        name: The measure's.
        settings: As plain data.
    """
    kind = measure_class(name)
    if kind.files is Measure.files:
        return settings
    known = cache_at(str(CACHE.absolute()))
    key = fingerprint([name, dict(settings)])
    try:
        digest = _digest_of(kind.files(kind.Settings.model_validate(settings)), known)
        known.note(key, digest)
    except (NotReadyError, OSError):
        digest = known.notes.get(key, UNKNOWN)
    return {"weights": digest, **{one: value for one, value in settings.items() if one not in kind.paths}}


def _digest_of(files: tuple[Path, ...], cache: StampCache[str]) -> str:
    """Return a digest of the names and contents of files."""
    return fingerprint([[path.name, _content_digest(path, cache)] for path in files])[:_DIGITS]


def _content_digest(path: Path, cache: StampCache[str]) -> str:
    name, before = str(path.absolute()), stamp_of(path)
    known = cache.get(name, before) if before else None
    if known is not None:
        return known
    now_ns = time.time_ns()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    cache.put(name, before if stamp_of(path) == before else None, digest, now_ns)
    return digest


def save_digests() -> None:
    """Write what was hashed, for other processes: a plan and a job call this, looking at a campaign does not."""
    cache_at(str(CACHE.absolute())).save()


@cache
def cache_at(path: str) -> StampCache[str]:
    """Return the cache of digests in a file, one per process."""
    return StampCache(Path(path), _CACHE_VERSION, str, str)
