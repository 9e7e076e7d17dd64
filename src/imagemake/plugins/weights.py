"""The digest of weights that the user provides: other weights measure every image again, or make others.

Hashing hundreds of megabytes takes a second, so work/weights.json keeps the digests by size and times.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from imagemake.core.file_stamp import StampCache, stamp_of
from imagemake.core.fingerprint import fingerprint
from imagemake.core.problems import NotReadyError
from imagemake.plugins.plugin import Plugin

CACHE = Path("work/weights.json")
UNKNOWN = "unknown"
_CACHE_VERSION = 1
_DIGITS = 12
WORTH_TELLING_BYTES = 2e9  # a second or two


def with_weights(kind: type[Plugin], name: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings that decide a result: without paths, and with a digest of the user's files.

    If the files are missing, the last known digest counts, so that results stay valid where they are only looked at.
    Measuring and postprocessing need the files and report that they are missing.

    Args:
        kind: The measure or step.
        name: Its name.
        settings: Its settings, as plain data.
    """
    decisive: Mapping[str, Any] = _without(settings, kind.paths)
    if kind.files is Plugin.files:
        return decisive
    known = cache_at(str(CACHE.absolute()))
    key = fingerprint([name, dict(settings)])
    try:
        files = kind.files(kind.Settings.model_validate(settings))
        if not files:
            return decisive
        digest = _digest_of(files, known)
        known.note(key, digest)
    except (NotReadyError, OSError):
        digest = known.notes.get(key, UNKNOWN)
    return {"weights": digest, **decisive}


def _without(settings: Any, names: frozenset[str]) -> Any:
    """Return settings without the keys of some names, at any depth."""
    if isinstance(settings, Mapping):
        return {name: _without(value, names) for name, value in settings.items() if name not in names}
    return [_without(one, names) for one in settings] if isinstance(settings, list) else settings


def _digest_of(files: tuple[Path, ...], cache: StampCache[str]) -> str:
    """Return a digest of the names and contents of files."""
    return fingerprint([[path.name, _content_digest(path, cache)] for path in files])[:_DIGITS]


def digest_of_content(files: Mapping[str, Path]) -> str:
    """Return the SHA-256 of the contents of a model's files under their names, wherever they are.

    Args:
        files: The files by name, as relative to their common folder.

    Raises:
        OSError: If one cannot be read.
    """
    cache = cache_at(str(CACHE.absolute()))
    unknown = [path for path in files.values() if (stamp := stamp_of(path)) and not cache.get(_name(path), stamp)]
    n_bytes = sum(path.stat().st_size for path in unknown)
    if n_bytes >= WORTH_TELLING_BYTES:
        print(f"  Reading {n_bytes / 1e9:,.1f} GB of weights, once…", file=sys.stderr, flush=True)
    return fingerprint({name: _content_digest(path, cache) for name, path in files.items()})


def remembered(question: object, answer: Callable[[], str], *, present: bool) -> str:
    """Return a digest, or the last known one where the files are missing, unless they must be there.

    Raises:
        NotReadyError: If they must be there, or were never read.
    """
    known = cache_at(str(CACHE.absolute()))
    key = fingerprint(["model", question])
    try:
        digest = answer()
    except NotReadyError:
        if present or key not in known.notes:
            raise
        return str(known.notes[key])
    known.note(key, digest)
    return digest


def _name(path: Path) -> str:
    return str(path.absolute())


def _content_digest(path: Path, cache: StampCache[str]) -> str:
    name, before = _name(path), stamp_of(path)
    known = cache.get(name, before) if before else None
    if known is not None:
        return known
    now_ns = time.time_ns()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    cache.put(name, before if stamp_of(path) == before else None, digest, now_ns)
    return digest


def check_once(files: tuple[Path, ...], settings: Mapping[str, Any], check: Callable[[], object]) -> None:
    """Make a check that loads large files, unless the same content passed it before.

    Args:
        files: The files.
        settings: What else decides the check.
        check: The check; it raises where it fails.
    """
    known = cache_at(str(CACHE.absolute()))
    key = fingerprint(["usable", dict(settings), _digest_of(files, known)])
    if not known.notes.get(key):
        check()
        known.note(key, True)


def save_digests() -> None:
    """Write the digests for other processes. Plans and jobs call this; commands that only look do not."""
    cache_at(str(CACHE.absolute())).save()


@cache
def cache_at(path: str) -> StampCache[str]:
    """Return the cache of digests in a file, one per process."""
    return StampCache(Path(path), _CACHE_VERSION, str, str)
