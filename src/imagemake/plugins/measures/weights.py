"""Files of weights that a measure's user has: what they are, by their content, so that others measure anew.

Hashing hundreds of megabytes takes a second, so it is remembered in work/weights.json, by size and times.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from imagemake.core.files import write_whole
from imagemake.core.fingerprint import fingerprint
from imagemake.core.problems import NotReadyError
from imagemake.plugins.measures import Measure, measure_class

CACHE = Path("work/weights.json")
UNKNOWN = "unknown"
_CACHE_VERSION = 1
_DIGITS = 12
# What changed less than this before it was read can change again without a new time: FAT counts in steps of 2 s.
_RACY_NS = 2_000_000_000


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
    remembered = _remembered(str(CACHE.absolute()))
    key = fingerprint([name, dict(settings)])
    try:
        digest = remembered.digest_of(kind.files(kind.Settings.model_validate(settings)))
        remembered.keep(key, digest)
    except (NotReadyError, OSError):
        digest = remembered.last.get(key, UNKNOWN)
    return {"weights": digest, **{one: value for one, value in settings.items() if one not in kind.paths}}


class _Remembered:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_new = False
        self._files: dict[str, tuple[tuple[int, ...], str]] = {}
        self.last: dict[str, str] = {}
        try:
            data = orjson.loads(path.read_bytes())
            if data["version"] == _CACHE_VERSION:
                self._files = {file: (tuple(stamp), digest) for file, (stamp, digest) in data["files"].items()}
                self.last = data["last"]
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):  # what is lost costs hashing again
            pass

    def digest_of(self, files: tuple[Path, ...]) -> str:
        """Return a digest of some files' names and contents."""
        digests = [[path.name, self._digest(path)] for path in files]
        return fingerprint(digests)[:_DIGITS]

    def keep(self, key: str, digest: str) -> None:
        """Remember what was found, where that is new."""
        if self.last.get(key) == digest and not self._is_new:
            return
        self.last[key], self._is_new = digest, False
        data = {"version": _CACHE_VERSION, "files": self._files, "last": self.last}
        write_whole(self._path, orjson.dumps(data, option=orjson.OPT_SORT_KEYS))

    def _digest(self, path: Path) -> str:
        name = str(path.absolute())
        before = _stamp(path)
        if name in self._files and self._files[name][0] == before:
            return self._files[name][1]
        now_ns = time.time_ns()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._files.pop(name, None)
        if _stamp(path) == before and max(before[1:3]) < now_ns - _RACY_NS:
            self._files[name], self._is_new = (before, digest), True
        return digest


@cache
def _remembered(path: str) -> _Remembered:
    return _Remembered(Path(path))


def _stamp(path: Path) -> tuple[int, ...]:
    status = os.stat(path)  # noqa: PTH116  as in image_files
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
