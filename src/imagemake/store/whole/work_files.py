"""Files of ``work/`` that go to jobs without a shared disk, and come back: batches, settings, tables, and notes.

A job tells its progress in a file there too, at most every `TELL_EVERY_S`, and its log is beside that folder.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.files import write_whole
from imagemake.store.layout import BATCHES, RESULT_TABLES, batch_file, progress_folder, stopping_file
from imagemake.store.remote.errors import PlaceError

if TYPE_CHECKING:
    from imagemake.store.remote.storage import Storage

MAX_BYTES = 1_000_000_000
LOOK_EVERY_S = 5.0
TELL_EVERY_S = 15.0
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


def bring_here(place: Storage | None, folder: Path, paths: Iterable[Path]) -> None:
    """Get the log and the progress of a job that has ended, as far as they are in the bucket.

    Args:
        place: Where jobs find ``work/``.
        folder: Snakemake's working folder.
        paths: Files in that folder.
    """
    if place is not None:
        with suppress(PlaceError):
            for path in paths:
                _bring(place, path.relative_to(folder).as_posix(), path)


def clear_progress(place: Storage | None, work: Path) -> None:
    """Remove what the jobs of an earlier run told."""
    if place is not None:
        place.each(place.delete, place.list(f"{work.name}/{progress_folder(work).name}"))


@contextmanager
def bringing_progress(place: Storage | None, work: Path) -> Iterator[None]:
    """Get what running jobs tell about their progress, again and again."""
    if place is None:
        yield
        return
    came: dict[str, float] = {}

    def look() -> None:
        with suppress(PlaceError):
            listed = place.list(f"{work.name}/{progress_folder(work).name}")
            new = {name: one.modified_at for name, one in listed.items() if came.get(name) != one.modified_at}
            place.each(lambda name: _bring(place, name, work / name.partition("/")[2]), new)
            came.update(new)

    with _repeating(look, TELL_EVERY_S):
        yield


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
    """Look for the note that the run stops, and write it where this job looks for it; tell the job's progress."""
    if place is None:
        yield
        return
    told: dict[Path, bytes] = {}
    next_s = 0.0

    def look() -> None:
        nonlocal next_s
        with suppress(PlaceError):
            if not stopping_file(work).exists() and place.get(_name(work, stopping_file(work)), 1) is not None:
                write_whole(stopping_file(work), b"")
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + TELL_EVERY_S
                tell()

    def tell() -> None:
        for path in progress_folder(work).glob("*.json"):
            data = path.read_bytes()
            if told.get(path) != data:
                place.put(_name(work, path), data, JSON)
                told[path] = data

    with _repeating(look, LOOK_EVERY_S):
        yield
    with suppress(PlaceError):
        tell()


@contextmanager
def _repeating(act: Callable[[], None], every_s: float) -> Iterator[None]:
    """Do something in a thread, again and again."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every_s):
            act()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


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
