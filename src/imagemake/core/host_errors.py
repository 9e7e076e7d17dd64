"""What to say when the computer refuses a file: a full disk, a missing right, a folder in a file's place."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagemake.core.text import printable

_AGAIN = "run the same command again: nothing that was paid for is lost"
_FREE = f"Free some space (df -h shows how much there is), and {_AGAIN}."
_INODES = f"Delete files that you don't need (df -i shows how many fit), and {_AGAIN}."
_RIGHTS = f"Give yourself the right (ls -ld shows who has it), and {_AGAIN}."
_FOLDER = "Rename it, or put a folder in its place."

# What is wrong and what to do, by error number.
_WORDS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", _FREE),
    errno.EDQUOT: ("your quota of the disk is used up", f"Free some space (quota -s shows how much), and {_AGAIN}."),
    errno.EROFS: ("the file system is read-only", f"Mount it writable, or move the project, and {_AGAIN}."),
    errno.EACCES: ("permission denied", _RIGHTS),
    errno.EPERM: ("operation not permitted", _RIGHTS),
    errno.EFBIG: ("the file would be too large", f"Raise the limit (ulimit -f) or use another disk, and {_AGAIN}."),
    errno.EMFILE: ("too many files are open", f"Raise the limit (ulimit -n) or lower limits.in_flight, and {_AGAIN}."),
    errno.ENFILE: ("the system has too many open files", f"End other programs, and {_AGAIN}."),
    errno.EIO: ("the disk reports an error", f"Check the disk (dmesg shows details), and {_AGAIN}."),
    errno.ESTALE: ("the network folder was replaced", f"Mount it again, and {_AGAIN}."),
    errno.ENAMETOOLONG: ("the name is too long for the file system", "Use a shorter folder or shorter names."),
    errno.ENOTDIR: ("it is not a folder, but a file or a broken link", _FOLDER),
    errno.EEXIST: ("it is not a folder, but a file or a broken link", _FOLDER),
    errno.EISDIR: ("it is a folder, not a file", "Rename it, or name a file instead."),
    errno.ENXIO: ("it is not a file, but a pipe, a socket, or a device", "Name a file instead."),
    errno.ELOOP: ("its links form a loop", "Remove the links."),
    errno.ENOENT: ("it is missing", f"If another program removed it, {_AGAIN}."),
}
_REFUSALS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EFBIG,
        errno.EMFILE,
        errno.ENFILE,
        errno.EIO,
        errno.ESTALE,
        errno.ENOMEM,
    }
)


def is_refusal(error: BaseException) -> bool:
    """Return whether an error is about this computer, and says nothing about the image or file that met it."""
    return isinstance(error, OSError) and error.errno in _REFUSALS


def words_of(error: OSError) -> tuple[str, str] | None:
    """Return what is wrong, with the path, and what to do, as sentences; None for an error that has no number.

    Libraries raise `OSError` without a number for broken files, which is no matter of the computer.
    """
    if error.errno is None:
        return None
    what, remedy = _WORDS.get(error.errno, (error.strerror or "it failed", f"If it can be mended, {_AGAIN}."))
    path = _path_of(error)
    if error.errno == errno.ENOSPC and path is not None and _has_no_inodes(path):
        what, remedy = "the disk has room for no more files (no inodes are left)", _INODES
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and path is not None:
        path = next((one for one in reversed((path, *path.parents)) if os.path.lexists(one) and not one.is_dir()), path)
    return (f"{printable(str(path))}: {what}." if path is not None else f"{what[0].upper()}{what[1:]}."), remedy


def reason_of(error: OSError) -> tuple[str, str]:
    """Return the same for a message that has the path already: what is wrong, without it, and what to do."""
    number = error.errno if error.errno is not None else 0
    return _WORDS.get(number, (error.strerror or str(error), "Correct the path, or what is there."))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let the errors of the block name a path, also those of open files, which have none, and of temporary files."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = str(path), None
        raise


def _path_of(error: OSError) -> Path | None:
    name = error.filename2 if error.filename2 is not None else error.filename
    return Path(os.fsdecode(name)) if isinstance(name, str | bytes) and name else None


def _has_no_inodes(path: Path) -> bool:
    """Return whether a disk has bytes, but no inodes."""
    for folder in (path, *path.parents):
        try:
            state = os.statvfs(folder)
        except OSError:
            continue
        return state.f_files > 0 and state.f_favail == 0 and state.f_bavail > 0
    return False
