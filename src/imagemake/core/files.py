"""Writing files so that a reader sees all of one or none, also after a crash."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, data: bytes, *, durable: bool = False, mode: int = 0o644) -> None:
    """Write a file by way of a temporary one beside it and a rename.

    Args:
        path: Where it goes; missing folders are made.
        data: All of its content.
        durable: Force the bytes and the name to disk before returning; for what was paid for.
        mode: Permissions of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105  Path.replace would make an object for every image
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk: without it, a file can be whole and nameless after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file under a second name: a hard link where the disk allows, else a copy; an old file there is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".writing-{os.getpid()}-{target.name}"[:255])
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # another disk, or a file system without links
        write_whole(target, source.read_bytes())
        return
    temporary.replace(target)
    # rename() does nothing when both names are already the same file, and leaves the temporary one behind.
    temporary.unlink(missing_ok=True)


def make_own(path: Path) -> None:
    """Give a file bytes of its own where another name shares them, or where it may not be written.

    DVC's cache, for one, links what it tracks: what is written through one name is then written through all. The file's
    time of change stays. Nothing happens where there is no file.
    """
    try:
        now = path.stat()
    except FileNotFoundError:
        return
    if now.st_nlink == 1 and os.access(path, os.W_OK):
        return
    write_whole(path, path.read_bytes())
    os.utime(path, ns=(now.st_atime_ns, now.st_mtime_ns))


class FileLock:
    """A lock that the kernel lets go of when the process ends, however it ends.

    Args:
        path: The lock file; made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock.

        Args:
            wait: Whether to wait for another holder.

        Returns:
            Whether it is held now; only False where `wait` is False.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            file = self.path.open("a+b")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                file.close()
                return False
            if self._still_named(file):
                self._file = file
                return True
            file.close()  # its holder removed the file while we opened it

    def _still_named(self, file: BinaryIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def release(self, *, remove: bool = False) -> None:
        """Let go; `remove` takes the file away too, for locks of which there are many."""
        if self._file is None:
            return
        if remove:
            self.path.unlink(missing_ok=True)
        self._file.close()
        self._file = None

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()
