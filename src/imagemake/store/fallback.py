"""A place for images that were paid for and that the store's disk refuses, as a full one does.

It is a folder outside the project with the layout of the store: the first of these that takes a file, other disks
before the store's own.

- the folder in the environment variable ``IMAGEMAKE_FALLBACK``
- ``~/.local/state/imagemake``, or what ``XDG_STATE_HOME`` names
- the system's folder for temporary files

There, each store has a folder of its own, which belongs to this user. The next run moves its files into the store
before it asks for anything, also if the project was moved meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from imagemake.core.files import FileLock, make_folder, make_own, sync_folder, write_whole
from imagemake.core.host_errors import naming, words_of
from imagemake.core.problems import NotReadyError

T = TypeVar("T")
VARIABLE = "IMAGEMAKE_FALLBACK"
LOCK = ".lock"
OWNER = ".store"  # has the path of the store, in case its project is moved
DIGITS = 16
JOURNAL = "journal"


class KeptElsewhereError(NotReadyError):
    """The store's disk refused what arrived, and another folder has it."""

    def __init__(self, refusal: OSError, folder: Path) -> None:
        what, remedy = words_of(refusal) or (str(refusal), "Run the same command again.")
        super().__init__(f"{what} What arrived is kept in {folder}, and the next run moves it into the store.", remedy)


def write_elsewhere(store: Path, write: Callable[[Path], T]) -> tuple[T, Path]:
    """Write with a folder in the store's place.

    Args:
        store: Folder of the store.
        write: Writes below the folder that it gets.

    Returns:
        What `write` returns, and the folder that took it.

    Raises:
        OSError: If no folder takes it; it is the error of the last one.
    """
    refusal: OSError | None = None
    for folder in _by_disk(store):
        try:
            _make_private(folder)
            (folder / OWNER).write_bytes(os.fsencode(store.resolve()))
            return write(folder), folder
        except OSError as error:
            refusal = error
    raise refusal or FileNotFoundError("there is no folder to write to")


def kept_elsewhere(store: Path) -> list[Path]:
    """Return the folders that have files for a store, also those from before its project was moved."""
    return [
        folder for folder in (*_folders(store), *_from_before(store)) if _is_private(folder) and any(_files(folder))
    ]


def _from_before(store: Path) -> Iterator[Path]:
    """Yield folders of stores that are gone, and that have something of a call of this store's journal."""
    for own in _folders(store):
        for folder in own.parent.glob(f"{own.name[:-DIGITS]}{'?' * DIGITS}"):
            if folder == own or not _is_private(folder):
                continue
            with suppress(OSError):
                before = Path(os.fsdecode((folder / OWNER).read_bytes()))
                if not before.exists() and any(_is_known(path.relative_to(folder), store) for path in _files(folder)):
                    yield folder


def _is_known(path: Path, store: Path) -> bool:
    """Return whether the store's journal has the file of a record, or names the key or call of another file."""
    if path.parts[0] == JOURNAL:
        return (store / path.with_suffix("")).exists()
    name = os.fsencode(path.name.partition(".")[0].partition("-")[0])
    return any(name in journal.read_bytes() for journal in (store / JOURNAL).glob("*/*.jsonl"))


def take_back(store: Path) -> int:
    """Move all files from other folders into the store, and return how many images and responses that were.

    Raises:
        KeptElsewhereError: If the disk still refuses. Nothing is lost.
    """
    return sum(map(partial(_take_from, store=store), kept_elsewhere(store)))


def _take_from(folder: Path, store: Path) -> int:
    taken = 0
    try:
        with FileLock(folder / LOCK):
            # An image is in the store before the journal says so.
            for path in sorted(_files(folder), key=lambda path: path.relative_to(folder).parts[0] == JOURNAL):
                place = store / path.relative_to(folder)
                if place.is_relative_to(store / JOURNAL):
                    _append(place.with_suffix(""), path.read_bytes())
                elif not place.exists():
                    write_whole(place, path.read_bytes(), durable=True, mode=stat.S_IMODE(path.stat().st_mode))
                    taken += path.stat().st_size > 0  # marks are empty
                path.unlink()
    except OSError as error:
        raise KeptElsewhereError(error, folder) from error
    _remove_empty(folder)
    return taken


def journal_record_file(folder: Path, journal: Path) -> Path:
    """Return a new file, below another folder, for a record of a journal whose path is relative to the store."""
    return folder / journal.with_name(f"{journal.name}.{uuid.uuid4().hex}")


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        (folder / LOCK).unlink(missing_ok=True)
        (folder / OWNER).unlink(missing_ok=True)
    for parent, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # another job just wrote into it
            Path(parent).rmdir()


def _append(path: Path, lines: bytes) -> None:
    with naming(path):
        make_folder(path.parent, durable=True)
        make_own(path)  # DVC's cache may have a hard link to it
        with path.open("ab") as file:
            file.write(b"\n" + lines)  # the last line there may be torn; empty lines are nothing
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)


def _folders(store: Path) -> Iterator[Path]:
    """Yield where files of a store may be, most lasting first."""
    name = hashlib.sha256(os.fsencode(store.resolve())).hexdigest()[:DIGITS]
    if os.environ.get(VARIABLE):
        yield Path(os.environ[VARIABLE]).absolute() / name
    with suppress(RuntimeError):  # a user without a home
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        yield Path(home) / "imagemake" / name
    with suppress(OSError):  # no folder for temporary files
        yield Path(tempfile.gettempdir()) / f"imagemake-{os.geteuid()}-{name}"


def _by_disk(store: Path) -> list[Path]:
    own = _disk(store)
    return sorted(_folders(store), key=lambda folder: _disk(folder) == own)


def _disk(folder: Path) -> int | None:
    for one in (folder.absolute(), *folder.absolute().parents):
        with suppress(OSError):
            return one.stat().st_dev
    return None


def _make_private(folder: Path) -> None:
    """Create a folder that only this user can write to.

    Raises:
        PermissionError: If it belongs to another user, as it may in a folder for everybody's temporary files.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_private(folder):
        raise PermissionError(f"{folder} belongs to another user")


def _is_private(folder: Path) -> bool:
    try:
        state = folder.lstat()
    except OSError:
        return False
    others = state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid() and not others


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path
