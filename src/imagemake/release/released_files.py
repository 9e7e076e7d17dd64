"""Released files, and a record of what each one was made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagemake.core.file_stamp import stamp_of
from imagemake.core.sealed import read_sealed, write_sealed

VERSION = 2  # of the record


@dataclass(frozen=True, slots=True)
class Released:
    """A released file.

    Attributes:
        digest: SHA-256 of its bytes.
        bytes: Size of the file.
        unsigned: Why the file could not be signed; None if it is signed or need not be.
        size_px: Width and height of the image; None if it was not looked up.
    """

    digest: str
    bytes: int
    unsigned: str | None = None
    size_px: tuple[int, int] | None = None


class ReleasedBefore:
    """Remembers what each released file was made of, so that unchanged files need not be read.

    Args:
        path: Usually under ``work/``. If it is lost, each file is read once. None keeps no record.
        folder: Where the files are, if they are in several folders; None if their names differ.
    """

    def __init__(self, path: Path | None, folder: Path | None = None) -> None:
        self._path, self._folder = path, folder
        known = read_sealed(path) if path is not None else None
        known = known if known is not None and known.get("version") == VERSION else {}
        self._before: dict[str, list[Any]] = known.get("files", {})
        self._now: dict[str, list[Any]] = {}

    def find(self, target: Path, made_of: str) -> Released | None:
        """Return the file at a path if it was made of exactly this and was not changed since; otherwise None."""
        name = self._name(target)
        known = self._before.get(name)
        if known is None or known[0] != made_of:
            return None
        stamp = stamp_of(target)
        if stamp is None or known[1] != list(stamp):
            return None
        self._now[name] = known
        return Released(known[2], stamp.size_bytes, size_px=tuple(known[3]) if known[3] else None)

    def keep(self, target: Path) -> bool:
        """Keep what is known of a file; False if nothing is, or if it changed since."""
        known = self._before.get(self._name(target))
        return known is not None and self.find(target, known[0]) is not None

    def add(self, target: Path, made_of: str, released: Released) -> None:
        """Remember a file that was written or verified."""
        entry = [made_of, list(stamp_of(target) or ()), released.digest, released.size_px]
        self._now[self._name(target)] = entry

    def was_linked(self, target: Path) -> None:
        """Note that a file got a second name, which changes its stamp but not its content."""
        known = self._now.get(self._name(target))
        if known is not None:
            self._now[self._name(target)] = [known[0], list(stamp_of(target) or ()), *known[2:]]

    def _name(self, target: Path) -> str:
        return target.name if self._folder is None else str(target.relative_to(self._folder))

    def save(self) -> None:
        """Save the files that were found or added, and forget all others."""
        if self._path is not None and self._now != self._before:
            write_sealed(self._path, {"version": VERSION, "files": self._now})
