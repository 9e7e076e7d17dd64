"""Files of a project in a folder or at a revision.

All paths are relative to a root and cannot leave it: manifests are untrusted, and must not give access to other files.
"""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath
from typing import Protocol


class Tree(Protocol):
    """Files under one root."""

    def read(self, path: str, most_bytes: int) -> bytes | None:
        """Read a file.

        Args:
            path: Path relative to the root, with ``/`` as separator; untrusted.
            most_bytes: Largest size of the file.

        Returns:
            The content; None if the file is missing or too large, or the path leads out of the root.
        """
        ...


class Folder:
    """A folder on this machine.

    Args:
        root: The folder. Nothing outside of it is read, not even through links.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str, most_bytes: int) -> bytes | None:
        """See `Tree.read`."""
        if not is_inside(path):
            return None
        try:
            found = (self._root / path).resolve(strict=True)
            if not found.is_relative_to(self._root.resolve()):
                return None
            facts = found.stat()
            # Reading a pipe or a device could block or never end.
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > most_bytes:
                return None
            return found.read_bytes()
        except (OSError, RuntimeError):  # missing, unreadable, name too long; circular links
            return None


def is_inside(path: str) -> bool:
    """Return whether the text of a path is relative and never leaves its root."""
    parts = PurePosixPath(path)
    return bool(path) and "\0" not in path and "\\" not in path and not parts.is_absolute() and ".." not in parts.parts
