"""What was tried where memory ran out: kept between jobs, so that each of them need not run out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imagemake.core.files import FileLock
from imagemake.core.sealed import read_sealed, write_sealed

TRIED = Path("work/local-models.json")
_VERSION = 1


def known_of(name: str) -> Any:
    """Return what is known under a name; None if nothing is."""
    return _all().get(name)


def remember(name: str, found: Any) -> None:
    """Keep what was found under a name, unless it is known already."""
    if known_of(name) == found:
        return
    lock = FileLock(TRIED.with_suffix(".lock"))
    lock.acquire()
    try:
        write_sealed(TRIED, {"version": _VERSION, "tried": {**_all(), name: found}})
    finally:
        lock.release()


def _all() -> dict[str, Any]:
    data = read_sealed(TRIED)
    tried = data.get("tried") if isinstance(data, dict) and data.get("version") == _VERSION else None
    return tried if isinstance(tried, dict) else {}
