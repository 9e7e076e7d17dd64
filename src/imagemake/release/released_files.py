"""Released files, and a record of what each one was made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

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
        n_parts: Number of files of the record, each with a share of the names. A part is read when it is asked for.
    """

    def __init__(self, path: Path | None, folder: Path | None = None, n_parts: int = 1) -> None:
        self._folder = folder
        self._paths = [path] if n_parts == 1 else [path and path.with_suffix(f".{n:02x}.json") for n in range(n_parts)]
        self._known: dict[int, dict[str, list[Any]]] = {}
        self._now: list[dict[str, str]] = [{} for _ in range(n_parts)]  # as JSON, a third of the size

    def find(self, target: Path, made_of: str) -> Released | None:
        """Return the file at a path if it was made of exactly this and was not changed since; otherwise None."""
        name, part = self._place(target)
        known = self._before(part).get(name)
        if known is None or known[0] != made_of:
            return None
        stamp = stamp_of(target)
        if stamp is None or known[1] != list(stamp):
            return None
        self._now[part][name] = _json(known)
        return Released(known[2], stamp.size_bytes, size_px=tuple(known[3]) if known[3] else None)

    def keep(self, target: Path) -> bool:
        """Keep what is known of a file; False if nothing is, or if it changed since."""
        name, part = self._place(target)
        known = self._before(part).get(name)
        return known is not None and self.find(target, known[0]) is not None

    def add(self, target: Path, made_of: str, released: Released) -> None:
        """Remember a file that was written or verified."""
        name, part = self._place(target)
        known = [made_of, list(stamp_of(target) or ()), released.digest, released.size_px]
        self._now[part][name] = _json(known)

    def was_linked(self, target: Path) -> None:
        """Note that a file got a second name, which changes its stamp but not its content."""
        name, part = self._place(target)
        if name in self._now[part]:
            made_of, _, *known = orjson.loads(self._now[part][name])
            self._now[part][name] = _json([made_of, list(stamp_of(target) or ()), *known])

    def _place(self, target: Path) -> tuple[str, int]:
        name = target.name if self._folder is None else str(target.relative_to(self._folder))
        return name, crc32(name.encode("utf-8", "surrogatepass")) % len(self._paths)

    def _before(self, part: int) -> dict[str, list[Any]]:
        if part not in self._known:
            path = self._paths[part]
            known = read_sealed(path) if path is not None else None
            self._known[part] = known["files"] if known is not None and known.get("version") == VERSION else {}
        return self._known[part]

    def save(self) -> None:
        """Save the files that were found or added, and forget all others."""
        for part in range(len(self._now)):
            self._write(part, self._found(part))

    def update(self, gone: Iterable[Path] = ()) -> None:
        """Save the files that were found or added, and forget only those that are gone."""
        gone_from: dict[int, set[str]] = {}
        for target in gone:
            name, part = self._place(target)
            gone_from.setdefault(part, set()).add(name)
        for part in range(len(self._now)):
            now = self._found(part)
            if now or part in gone_from:
                names = gone_from.get(part, set()) - now.keys()
                before = {name: known for name, known in self._before(part).items() if name not in names}
                self._write(part, before | now)

    def _found(self, part: int) -> dict[str, list[Any]]:
        return {name: orjson.loads(known) for name, known in self._now[part].items()}

    def _write(self, part: int, files: dict[str, list[Any]]) -> None:
        path = self._paths[part]
        if path is not None and files != self._before(part):
            write_sealed(path, {"version": VERSION, "files": files})
            self._known[part] = files


def _json(known: list[Any]) -> str:
    return orjson.dumps(known).decode()  # as bytes, it keeps its buffer of 4 KB
