"""Write files so that a reader never sees a partial one, even after a crash."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from imagemake.core.host_errors import naming

_PREFIX = ".writing-"  # of temporary files; DVC ignores it


def _umask() -> int:
    # The only way to read it is to set it; this runs once, at import, before there are threads.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


_UMASK = _umask()


def write_whole(path: Path, data: bytes, *, durable: bool = False, mode: int = 0o644) -> None:
    """Write a file through a temporary file in the same folder and a rename.

    Args:
        path: Where to write; missing folders are created.
        data: The complete content.
        durable: Whether to force the bytes and the name to disk before returning; for paid images.
        mode: Permissions of the file.

    Raises:
        OSError: If the computer refuses; it names `path`.
    """
    with naming(path):
        _write_whole(path, data, durable=durable, mode=mode)


def _write_whole(path: Path, data: bytes, *, durable: bool, mode: int) -> None:
    make_folder(path.parent, durable=durable)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode & ~_UMASK)
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105  Path.replace creates an object per image
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def make_folder(folder: Path, *, durable: bool) -> None:
    """Create a folder and its parents; a durable one keeps its name after a power cut."""
    if folder.is_dir():
        return
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if durable:
        for one in reversed(missing):
            sync_folder(one.parent)


def sweep_unfinished(folder: Path, older_than_s: float = 3600.0) -> int:
    """Delete what killed processes were writing, in a folder and below, and return how many files that were.

    Args:
        folder: Where to look.
        older_than_s: Younger files may belong to another process, on this machine or another one.
    """
    before = time.time() - older_than_s
    swept = 0
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names if name.startswith(_PREFIX)):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    swept += 1
    return swept


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk; otherwise, a power cut can leave a complete file without its name."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name by a hard link, or by a copy if links fail; replace any file of that name."""
    temporary = target.with_name(f"{_PREFIX}{os.getpid()}-{target.name}"[:255])
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # another disk, or a file system without links
        write_whole(target, source.read_bytes())
        return
    with naming(target):
        temporary.replace(target)
        # rename() does nothing if both names are already the same file, and leaves the temporary name behind.
        temporary.unlink(missing_ok=True)


def make_own(path: Path) -> None:
    """Replace a file by a writable copy if it is hard-linked or read-only.

    For example, DVC's cache hard-links tracked files, so that a write through one name changes all of them. The
    modification time stays. A missing file is ignored.
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
    """A lock that the kernel releases when the process ends, even if it is killed.

    Args:
        path: The lock file; created if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock.

        Args:
            wait: Whether to wait until another holder releases it.

        Returns:
            Whether the lock is now held; False only if `wait` is False.
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
            file.close()  # its holder removed the file while it was opened

    def _still_named(self, file: BinaryIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def release(self, *, remove: bool = False) -> None:
        """Release the lock.

        Args:
            remove: Whether to delete the lock file too; for locks of which there are many, such as one per key.
        """
        if self._file is None:
            return
        if remove:
            with suppress(OSError):  # such as a file system that became read-only; the kernel's lock is what counts
                self.path.unlink(missing_ok=True)
        self._file.close()
        self._file = None

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()
