"""Released files, and a record of what each one was made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import Any
from zlib import crc32

import orjson

from imagemake.core.file_stamp import stamp_of
from imagemake.core.sealed import read_sealed, write_sealed

VERSION = 2  # of the record
MOST_IN_MEMORY = 16_384  # of the files that were found or added; the others wait on disk until they are saved


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
        self._known: dict[int, dict[str, str]] = {}  # as JSON, a third of the size
        self._now: list[dict[str, str]] = [{} for _ in range(n_parts)]
        self._n_now, self._lock = 0, Lock()  # files are placed on all cores
        self._linked: dict[str, list[int]] = {}  # stamps of files that changed after they were found or added
        self._on_disk = TemporaryFile()  # noqa: SIM115  it is there as long as this object
        self._places: list[list[tuple[int, int]]] = [[] for _ in range(n_parts)]  # starts and lengths in that file

    def find(self, target: Path, made_of: str) -> Released | None:
        """Return the file at a path if it was made of exactly this and was not changed since; otherwise None."""
        name, part = self._place(target)
        text = self._before(part).get(name)
        known = None if text is None else orjson.loads(text)
        if known is None or known[0] != made_of:
            return None
        stamp = stamp_of(target)
        if stamp is None or known[1] != list(stamp):
            return None
        self._note(name, part, known)
        return Released(known[2], stamp.size_bytes, size_px=tuple(known[3]) if known[3] else None)

    def keep(self, target: Path) -> bool:
        """Keep what is known of a file; False if nothing is, or if it changed since."""
        name, part = self._place(target)
        known = self._before(part).get(name)
        return known is not None and self.find(target, orjson.loads(known)[0]) is not None

    def add(self, target: Path, made_of: str, released: Released) -> None:
        """Remember a file that was written or verified."""
        name, part = self._place(target)
        self._note(name, part, [made_of, list(stamp_of(target) or ()), released.digest, released.size_px])

    def was_linked(self, target: Path) -> None:
        """Note that a file got a second name, which changes its stamp but not its content."""
        self._linked[self._place(target)[0]] = list(stamp_of(target) or ())

    def _place(self, target: Path) -> tuple[str, int]:
        name = target.name if self._folder is None else str(target.relative_to(self._folder))
        return name, crc32(name.encode("utf-8", "surrogatepass")) % len(self._paths)

    def _note(self, name: str, part: int, known: list[Any]) -> None:
        with self._lock:
            self._now[part][name] = _json(known)
            self._linked.pop(name, None)
            self._n_now += 1
            if self._n_now >= MOST_IN_MEMORY:
                self._put_on_disk()

    def _put_on_disk(self) -> None:
        for part, files in enumerate(self._now):
            content = orjson.dumps(files)
            self._places[part].append((self._on_disk.tell(), len(content)))
            self._on_disk.write(content)
        self._now, self._n_now = [{} for _ in self._now], 0

    def _before(self, part: int) -> dict[str, str]:
        if part not in self._known:
            path = self._paths[part]
            known = read_sealed(path) if path is not None else None
            files = known["files"] if known is not None and known.get("version") == VERSION else {}
            self._known[part] = {name: _json(one) for name, one in files.items()}
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

    def _found(self, part: int) -> dict[str, str]:
        found: dict[str, str] = {}
        for start, length in self._places[part]:
            self._on_disk.seek(start)
            found |= orjson.loads(self._on_disk.read(length))
        self._on_disk.seek(0, SEEK_END)
        found |= self._now[part]
        for name in self._linked.keys() & found.keys():
            made_of, _, *known = orjson.loads(found[name])
            found[name] = _json([made_of, self._linked[name], *known])
        return found

    def _write(self, part: int, files: dict[str, str]) -> None:
        path = self._paths[part]
        if path is not None and files != self._before(part):
            plain = {name: orjson.Fragment(known) for name, known in files.items()}
            write_sealed(path, {"version": VERSION, "files": plain})
        self._known.pop(part, None)  # what was written is read again if somebody asks


def _json(known: list[Any]) -> str:
    return orjson.dumps(known).decode()  # as bytes, it keeps its buffer of 4 KB
