"""Files of a project as they are in a folder, or as they were at a revision.

Both are read by paths relative to a root and by nothing else: a manifest can come from anybody, and what it names must
not lead to other files of this machine.
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
            path: Relative to the root, with ``/`` between its parts; whatever a manifest says.
            most_bytes: Largest file that is read.

        Returns:
            None where there is no such file, where it is larger, or where the path leads out of the root.
        """
        ...


class Folder:
    """A folder on this machine.

    Args:
        root: Nothing outside of it is read, over links neither.
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
            # A pipe or a device of somebody else's folder would keep us waiting, or never end.
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > most_bytes:
                return None
            return found.read_bytes()
        except (OSError, RuntimeError):  # gone, unreadable, a name that is too long; links that lead to themselves
            return None


def is_inside(path: str) -> bool:
    """Say whether a relative path stays where it starts, by its text alone."""
    parts = PurePosixPath(path)
    return bool(path) and "\0" not in path and "\\" not in path and not parts.is_absolute() and ".." not in parts.parts
