"""Files of ``work/`` that go to jobs without a shared disk, and come back: batches, settings, tables, and a note."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.files import write_whole
from imagemake.store.layout import BATCHES, RESULT_TABLES, batch_file, stopping_file
from imagemake.store.remote.errors import PlaceError

if TYPE_CHECKING:
    from imagemake.store.remote.storage import Storage

MAX_BYTES = 1_000_000_000
LOOK_EVERY_S = 5.0
JSON = "application/json"


def share_batches(place: Storage, work: Path, batches: Iterable[str]) -> None:
    """Give jobs the files of batches.

    A file that is there stays as it is: Snakemake would make again what is older than a new one.

    Raises:
        PlaceError: If the bucket cannot be read or written.
    """
    there = place.list(f"{work.name}/{BATCHES}")
    new = [path for batch in batches if _name(work, path := batch_file(work, batch)) not in there]
    place.each(lambda path: place.put(_name(work, path), path.read_bytes(), JSON), new)


def share_settings(place: Storage, work: Path, files: Iterable[Path]) -> None:
    """Give jobs the files of their settings."""
    place.each(lambda path: place.put(_name(work, path), path.read_bytes(), JSON), files)


def bring_settings(place: Storage, work: Path, path: Path) -> None:
    """Get the file with the settings of a job, if it is there."""
    _bring(place, f"{work.name}/settings/{path.name}", path)


def bring_batch(place: Storage, work: Path, path: Path) -> None:
    """Get the file of a batch, if it is there."""
    _bring(place, f"{work.name}/{BATCHES}/{path.name}", path)


def bring_tables(place: Storage, work: Path) -> None:
    """Get the tables that jobs made.

    Raises:
        PlaceError: If the bucket cannot be read.
    """

    def bring(name: str) -> None:
        path = work / name.partition("/")[2]
        if _bring(place, name, path):
            os.utime(path, (listed[name].modified_at,) * 2)

    for folder in RESULT_TABLES:
        listed = place.list(f"{work.name}/{folder}")
        place.each(bring, [name for name, one in listed.items() if not _is_here(work, name, one.modified_at)])


def tell_to_stop(place: Storage | None, work: Path) -> None:
    """Tell jobs without a shared disk that their run stops."""
    if place is not None:
        with suppress(PlaceError):  # then it takes until the scheduler ends them
            place.put(_name(work, stopping_file(work)), b"\n", "text/plain")


def forget_stop(place: Storage | None, work: Path) -> None:
    """Remove the note that an earlier run left."""
    if place is not None:
        place.delete(_name(work, stopping_file(work)))


@contextmanager
def heeding_stop(place: Storage | None, work: Path) -> Iterator[None]:
    """Look for the note that the run stops, and write it where this job looks for it."""
    if place is None:
        yield
        return
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_EVERY_S):
            with suppress(PlaceError):
                if place.get(_name(work, stopping_file(work)), 1) is not None:
                    write_whole(stopping_file(work), b"")
                    return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def _bring(place: Storage, name: str, path: Path) -> bool:
    data = place.get(name, MAX_BYTES)
    if data is not None:
        write_whole(path, data)
    return data is not None


def _name(work: Path, path: Path) -> str:
    return f"{work.name}/{path.relative_to(work).as_posix()}"


def _is_here(work: Path, name: str, modified_at: float) -> bool:
    path = work / name.partition("/")[2]
    return path.exists() and path.stat().st_mtime == modified_at
