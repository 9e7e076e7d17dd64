"""The digest of a measure's weights that the user provides, so that other weights measure every image again.

Hashing hundreds of megabytes takes a second, so work/weights.json keeps the digests by size and times.
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
    """Return the settings that decide what a measure reads, with a digest of its files instead of their paths.

    If the files are missing, the last known digest counts, so that values stay valid where they are only looked at.
    Measuring itself needs the files and reports that they are missing.

    Args:
        name: Name of the measure.
        settings: Its settings, as plain data.
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
    """Write the digests for other processes. Plans and jobs call this; commands that only look do not."""
    cache_at(str(CACHE.absolute())).save()


@cache
def cache_at(path: str) -> StampCache[str]:
    """Return the cache of digests in a file, one per process."""
    return StampCache(Path(path), _CACHE_VERSION, str, str)
