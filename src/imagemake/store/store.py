"""Images by key: what was paid for, and what was made from it.

A file's name says all: ``raw/ab/<key>.<digest>.png``. So a listing of folders tells what there is, damage shows by
hashing a file against its own name, and there is no index that could be wrong.

| folder | what |
|---|---|
| raw/ | images as the provider sent them, by the key of their recipe; written once, never changed |
| finished/ | finished images, by the key of the raw image and the steps |
| references/ | reference images and masks that were sent with prompts, by their digest |
| signatures/ | content credentials of released images, by what each was made of |
| reproduced/ | images that were made again to compare them, by keys of their own |
| measures/ | what was read from raw images, in few files, so that it travels with them |
| unshared/ | an empty file for each image that the team's store does not have yet, where there is one |
| damaged/ | files whose bytes no longer fit their name, moved out of the way |
| unreadable/ | answers that were paid for and hold no image |
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagemake.core.errors import ImagemakeError
from imagemake.core.files import FileLock, write_whole
from imagemake.images.formats import extension_of

READ_ONLY = 0o444  # a program that edits a hard link of ours in place would change the store


class DamagedError(ImagemakeError):
    """A file's bytes do not fit the digest in its name; it was moved to ``damaged/``."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a shelf.

    Attributes:
        key: 64 hexadecimal digits.
        digest: SHA-256 of the bytes.
        extension: Without the dot.
    """

    key: str
    digest: str
    extension: str

    @property
    def file_name(self) -> str:
        """Name of the file within its folder."""
        return f"{self.key}.{self.digest}.{self.extension}"


class ContentStore:
    """One folder of files by key.

    Args:
        folder: Where the files are, in 256 subfolders.
        damaged: Where damaged ones go.
    """

    def __init__(self, folder: Path, damaged: Path) -> None:
        self.folder = folder
        self.damaged = damaged

    def path(self, stored: StoredFile) -> Path:
        """Return where a file is."""
        return self.folder / stored.key[:2] / stored.file_name

    def index(self) -> dict[str, StoredFile]:
        """List everything by key, without opening a file; of two files of a key, from merged stores, one is taken."""
        found: dict[str, StoredFile] = {}
        for stored in self.all():
            other = found.get(stored.key)
            if other is None or stored.digest < other.digest:
                found[stored.key] = stored
        return found

    def all(self) -> Iterator[StoredFile]:
        """List every file."""
        for folder in _subfolders(self.folder):
            yield from _files(folder)

    def find(self, key: str) -> StoredFile | None:
        """Look one key up."""
        folder = self.folder / key[:2]
        return min(
            (stored for stored in _files(folder) if stored.key == key), key=lambda stored: stored.digest, default=None
        )

    def put(self, key: str, data: bytes, *, durable: bool, extension: str | None = None) -> StoredFile:
        """Write a file; it is there for good when this returns.

        Args:
            key: What it is found by.
            data: The bytes; only the first few are looked at, to name the file.
            durable: Force them to disk; for what was paid for.
            extension: Without the dot; by default what the first bytes say, ``bin`` where they say nothing.
        """
        stored = StoredFile(key, hashlib.sha256(data).hexdigest(), extension or extension_of(data))
        path = self.path(stored)
        if not path.exists():
            write_whole(path, data, durable=durable, mode=READ_ONLY)
        return stored

    def read(self, stored: StoredFile) -> bytes:
        """Read a file and check its bytes.

        Raises:
            DamagedError: If they do not fit the digest, or the file is gone; a damaged file is moved away.
        """
        path = self.path(stored)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise DamagedError(f"{path} is gone") from None
        if hashlib.sha256(data).hexdigest() != stored.digest:
            raise DamagedError(f"{path} no longer holds what was written; moved to {self.set_aside(stored)}")
        return data

    def set_aside(self, stored: StoredFile) -> Path:
        """Move a damaged file out of the way, and return where it is now."""
        aside = self.damaged / stored.file_name
        aside.parent.mkdir(parents=True, exist_ok=True)
        self.path(stored).replace(aside)
        return aside


class _MarkingShelf(ContentStore):
    """Leaves a mark for each image that is paid for, before its bytes: it is to be shared."""

    def __init__(self, folder: Path, damaged: Path, unshared: Path) -> None:
        super().__init__(folder, damaged)
        self._unshared = unshared

    def put(self, key: str, data: bytes, *, durable: bool, extension: str | None = None) -> StoredFile:
        if durable:
            self._unshared.mkdir(parents=True, exist_ok=True)
            (self._unshared / key).touch()
        return super().put(key, data, durable=durable, extension=extension)


class Store:
    """The folder of everything that was paid for.

    Args:
        root: Usually ``store/``.
        shares: Whether what is paid for is marked as something that a team is to get.
    """

    def __init__(self, root: Path, *, shares: bool = False) -> None:
        self.root = root
        self.unshared = root / "unshared"
        raw, damaged = root / "raw", root / "damaged" / "raw"
        self.raw = _MarkingShelf(raw, damaged, self.unshared) if shares else ContentStore(raw, damaged)
        self.finished = ContentStore(root / "finished", root / "damaged" / "finished")
        self.references = ContentStore(root / "references", root / "damaged" / "references")
        self.reproduced = ContentStore(root / "reproduced", root / "damaged" / "reproduced")
        self.signatures = ContentStore(root / "signatures", root / "damaged" / "signatures")

    @property
    def journal_folder(self) -> Path:
        """Where the record of calls is."""
        return self.root / "journal"

    @property
    def measures_folder(self) -> Path:
        """Where measures are that travel with the images."""
        return self.root / "measures"

    def keep_unreadable(self, call: str, body: bytes) -> Path:
        """Keep an answer that was paid for and holds no image."""
        path = self.root / "unreadable" / f"{call}.bin"
        write_whole(path, body, durable=True)
        return path

    def claim(self, key: str) -> FileLock:
        """Return the lock to hold while a key is bought, so that no other job or run on this store buys it too.

        Whoever gets it looks into the store again: the holder before may have bought it. Release with ``remove=True``.
        """
        return FileLock(self.root / "claims" / key)


def _subfolders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries if entry.is_dir())


def _files(folder: Path) -> Iterator[StoredFile]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            key, _, rest = entry.name.partition(".")
            digest, _, extension = rest.partition(".")
            if len(key) == len(digest) == 64:  # anything else is a temporary file, or not ours
                yield StoredFile(key, digest, extension)
