"""Files that users write or name: read without waiting for a pipe's writer, or for the end of a device."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_given(path: Path) -> bytes:
    """Read a file.

    Raises:
        OSError: If it cannot be read, or is a folder, a pipe, a socket, or a device.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.ENXIO, "It is no file, but a pipe or a device", str(path))
        return file.read()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
