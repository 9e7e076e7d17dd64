"""Which folders of this process are copies of a store in a bucket; see `imagemake.store.whole`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from imagemake.store.stored_file import StoredFile


class Claim(Protocol):
    """The right to pay for a key, which one process has at a time."""

    def acquire(self, *, wait: bool = True) -> bool:
        """Take it, and return whether it is held now; False only if `wait` is False."""

    def release(self, *, remove: bool = False) -> None:
        """Give it back."""


class Parts(Protocol):
    """Sends what is appended to a file of the journal."""

    def extend(self, handle: int) -> None:
        """Send what was appended since the last time."""

    def finish(self) -> None:
        """End the file."""


class Bucket(Protocol):
    """A store in a bucket, as the classes of the store see it."""

    def claim(self, key: str) -> Claim:
        """Return the claim on a key."""

    def sweep_claims(self) -> int:
        """Delete the claims of processes that have ended, and return how many those were."""

    def journal_parts(self, path: Path) -> Parts:
        """Return what sends the lines that are appended to a file of the journal."""

    def send(self, path: Path) -> None:
        """Send a file of the copy."""

    def remove(self, path: Path) -> None:
        """Delete a file that the copy no longer has."""

    def find(self, folder: str, key: str) -> StoredFile | None:
        """Return the file of a key; None if there is none."""

    def bring(self, folder: str, stored: StoredFile) -> bytes | None:
        """Copy a file here, and return its content; None if it is missing or damaged."""


_attached: dict[Path, tuple[int, Bucket]] = {}


def bucket_of(root: Path) -> Bucket | None:
    """Return the store in a bucket that a folder is a copy of; None if it is none."""
    if not _attached:
        return None
    process, found = _attached.get(root.absolute(), (0, None))
    # A child process must not use its parent's connections; the parent sends what the child writes.
    return found if process == os.getpid() else None


def attach(root: Path, bucket: Bucket) -> Callable[[], None]:
    """Make a folder the copy of a store in a bucket, and return what ends that."""
    place = root.absolute()
    _attached[place] = os.getpid(), bucket
    return lambda: _attached.pop(place, None) and None
