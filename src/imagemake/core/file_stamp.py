"""Whether a file changed since it was read: by its size, times, and inode, as git decides it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

from imagemake.core.sealed import read_sealed, write_sealed

# A file that changed less than this before it was read can change again without a new time: FAT counts in steps of 2 s.
RACY_NS = 2_000_000_000
_TICK_NS = 50_000_000  # longer than the steps in which file systems count that know parts of a second

T = TypeVar("T")


class FileStamp(NamedTuple):
    """What the file system says of a file. Nobody can set back the time of the last change of its inode."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStamp:
        """Take the stamp from a status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    def is_settled(self, read_at_ns: int) -> bool:
        """Return whether any change after a read would show: the file was not changed shortly before it."""
        return max(self.mtime_ns, self.ctime_ns) < read_at_ns - RACY_NS


def can_hide_changes(mtime_ns: int, now_ns: int) -> bool:
    """Return whether a folder changed so recently that a further change may not show in its time."""
    return mtime_ns >= now_ns - (_TICK_NS if mtime_ns % 1_000_000_000 else RACY_NS)


def stamp_of(path: Path | str) -> FileStamp | None:
    """Return the stamp of a file; None if there is no file."""
    try:
        return FileStamp.of(os.stat(path))  # noqa: PTH116  a Path for each file would make it slow
    except (FileNotFoundError, NotADirectoryError):
        return None


class StampCache(Generic[T]):
    """Remembers what was read of each file, as long as its stamp stays the same.

    Args:
        path: Where it is kept between processes, such as ``work/images.json``; None keeps nothing.
        version: Of the values; a file of another version is ignored.
        load: Turns plain data of JSON into a value.
        dump: Turns a value into plain data.
    """

    def __init__(self, path: Path | None, version: int, load: Callable[[Any], T], dump: Callable[[T], Any]) -> None:
        self._path = path
        self._version = version
        self._dump = dump
        self._is_new = False
        self._known: dict[str, tuple[FileStamp, T]] = {}
        self.notes: dict[str, Any] = {}
        data = read_sealed(path) if path else None
        if data is None or data.get("version") != version:  # lost caches cost reading again
            return
        try:
            self._known = {name: (FileStamp(*stamp), load(value)) for name, (stamp, value) in data["files"].items()}
            self.notes = dict(data["notes"])
        except (KeyError, TypeError, ValueError, AttributeError):
            self._known = {}

    def get(self, name: str, stamp: FileStamp) -> T | None:
        """Return what is known of a file with this stamp; None if nothing is."""
        known = self._known.get(name)
        return known[1] if known is not None and known[0] == stamp else None

    def put(self, name: str, stamp: FileStamp | None, value: T, read_at_ns: int) -> None:
        """Remember a value, if any later change of the file would show.

        Args:
            name: Of the file.
            stamp: The same before and after the read; None if it changed meanwhile.
            value: What was read.
            read_at_ns: When the read began, in nanoseconds of Unix time.
        """
        self._known.pop(name, None)
        self._is_new = True
        if stamp is not None and stamp.is_settled(read_at_ns):
            self._known[name] = stamp, value

    def note(self, name: str, value: Any) -> None:
        """Keep a plain value under a name, beside what is known of files."""
        if self.notes.get(name) != value:
            self.notes[name] = value
            self._is_new = True

    def save(self) -> None:
        """Write what is new."""
        if self._path is None or not self._is_new:
            return
        files = {name: [list(stamp), self._dump(value)] for name, (stamp, value) in self._known.items()}
        data = {"version": self._version, "files": files, "notes": self.notes}
        write_sealed(self._path, data, option=orjson.OPT_SORT_KEYS)
        self._is_new = False
