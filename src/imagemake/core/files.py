"""Write files so that a reader never sees a partial one, even after a crash."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zlib import crc32

from imagemake.core.host_errors import naming

_PREFIX = ".writing-"  # of temporary files; DVC ignores it
OLD_S = 3600.0  # a file that another machine began before that is left over


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
    with writing(path, durable=durable, mode=mode) as file:
        file.write(data)


@contextmanager
def writing(path: Path, *, durable: bool = False, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Write a file piece by piece, as `write_whole` does; after an exception, the previous file stays."""
    with naming(path):
        make_folder(path.parent, durable=durable)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_unfinished_name())
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
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


def set_folder_aside(path: Path) -> None:
    """Rename a folder that is in the place of a file of state; otherwise, no run could write the file."""
    if path.is_dir():
        path.rename(f"{path}.{time.time_ns()}")


def make_folder(folder: Path, *, durable: bool) -> None:
    """Create a folder and its parents; a durable one keeps its name after a power cut."""
    if folder.is_dir():
        return
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if durable:
        for one in reversed(missing):
            sync_folder(one.parent)


class Swept(NamedTuple):
    """How many files of `sweep_unfinished` were deleted, and how many are left."""

    deleted: int
    left: int


def sweep_unfinished(folder: Path, *, unchanged_since: float = 0.0) -> Swept:
    """Delete what killed processes were writing, in a folder and below.

    Files of processes that live are left alone, and so are those of other machines for an hour.

    Args:
        folder: Where to look.
        unchanged_since: Folders without subfolders that were last changed before this are not listed, in seconds of
            Unix time.
    """
    before = time.time() - OLD_S
    deleted = left = 0
    folders = [str(folder)]
    while folders:
        with suppress(OSError):
            status = Path(at := folders.pop()).stat()
            if status.st_nlink == 2 and status.st_mtime < unchanged_since:
                continue
            if status.st_nlink == 2:  # without subfolders: no entry but an unfinished file needs a look
                names = os.listdir(at)  # noqa: PTH208  names and not paths
            else:
                with os.scandir(at) as entries:
                    both = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
                folders += [f"{at}/{name}" for name, is_folder in both if is_folder]
                names = [name for name, is_folder in both if not is_folder]
            for path in (Path(at, name) for name in names if name.startswith(_PREFIX)):
                with suppress(FileNotFoundError):
                    if _is_over(path, before):
                        path.unlink()
                        deleted += 1
                    else:
                        left += 1
    return Swept(deleted, left)


def _is_over(path: Path, before: float) -> bool:
    here, _, rest = path.name.removeprefix(_PREFIX).partition("-")
    pid = rest.partition("-")[0]
    if here == this_boot() and pid.isdecimal():
        return not _lives(int(pid))
    return path.lstat().st_mtime < before


def _unfinished_name() -> str:
    return f"{_PREFIX}{this_boot()}-{os.getpid()}-"


@cache
def this_boot() -> str:
    """Return a word for all processes whose numbers this process can look up: of this boot and this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        return f"{crc32(boot + bytes(Path('/proc/self/ns/pid').readlink())):08x}"
    except OSError:  # not Linux: a word that no other process has
        return os.urandom(4).hex()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk; otherwise, a power cut can leave a complete file without its name."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name by a hard link, or by a copy if links fail; replace any file of that name."""
    temporary = target.with_name(f"{_unfinished_name()}{target.name}"[:200])
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
        self._handle: int | None = None

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock.

        Args:
            wait: Whether to wait until another holder releases it.

        Returns:
            Whether the lock is now held; False only if `wait` is False.
        """
        while True:
            handle = self._open()
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                os.close(handle)
                if isinstance(error, BlockingIOError):
                    return False
                raise
            if self._still_named(handle):
                self._handle = handle
                return True
            os.close(handle)  # its holder removed the file while it was opened

    def is_held(self) -> bool:
        """Return whether somebody is seen to hold the lock. For the moment of this look, nobody can take it."""
        try:
            handle = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:  # also where a disk has no locks
            return isinstance(error, BlockingIOError)
        finally:
            os.close(handle)
        return False

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)

    def _still_named(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self.path))  # noqa: PTH116  an object per call less
        except FileNotFoundError:
            return False

    def release(self, *, remove: bool = False) -> None:
        """Release the lock.

        Args:
            remove: Whether to delete the lock file too; for locks of which there are many, such as one per key.
        """
        if self._handle is None:
            return
        if remove:
            with suppress(OSError):  # such as a file system that became read-only; the kernel's lock is what counts
                self.path.unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = None

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def sweep_locks(paths: Iterable[Path]) -> int:
    """Delete the files of locks that nobody holds, and return how many those were.

    Whoever waits for one of them takes the next file of its name; see `FileLock.acquire`.
    """
    swept = 0
    for path in paths:
        lock = FileLock(path)
        if lock.acquire(wait=False):
            lock.release(remove=True)
            swept += 1
    return swept
