"""The store: images that were paid for, and images that were made from them, by key.

The name of a file holds all facts about it: ``raw/a/ab/<key>.<digest>.png``. To list the store, list its folders; to
detect damage, compare a file with the digest in its name. There is no index that could be wrong.

| folder | what |
|---|---|
| raw/ | images as the provider sent them, by the key of their recipe; never changed |
| finished/ | finished images, by a key of the raw image and the steps |
| references/ | reference images and masks that were sent with prompts, by digest |
| signatures/ | content credentials of released images, by a key of their inputs |
| answers/ | what models answered about images and prompts; see `imagemake.store.answers` |
| reproduced/ | images that were reproduced for a comparison, by keys of their own |
| measures/ | measured values of raw images, in a few files that travel with the store |
| unshared/ | if the team has a store, an empty file per image that the team store does not have yet |
| damaged/ | files that do not match the digest in their name |
| more/ | further images of a response, by call; nothing uses them |
| unreadable/ | responses that were paid for, by call, until their image can be read or fetched |
| given_up/ | such responses whose images the user did not want to wait for any longer |
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from imagemake.core.errors import ImagemakeError
from imagemake.core.files import FileLock, sweep_locks, write_whole
from imagemake.images.formats import extension_of
from imagemake.store.in_bucket import Bucket, Claim, bucket_of
from imagemake.store.stored_file import StoredFile, folder_of, stored_file

__all__ = ["ContentStore", "DamagedError", "Store", "StoredFile"]

READ_ONLY = 0o444  # otherwise a program that edits a hard link to the file would change the store


class DamagedError(ImagemakeError):
    """A file in the store is missing, or does not match the digest in its name and was moved to ``damaged/``."""


class ContentStore:
    """A folder of files by key.

    Args:
        folder: Folder of the files, which has up to 16 subfolders with 16 of their own. DVC tracks the 16 of a large
            store apart.
        damaged: Folder for damaged files.
    """

    def __init__(self, folder: Path, damaged: Path) -> None:
        self.folder = folder
        self.damaged = damaged

    def path(self, stored: StoredFile) -> Path:
        """Return the path of a file."""
        return self.folder / stored.place

    def index(self) -> dict[str, StoredFile]:
        """Return all files by key, without opening them. If a key has two files, from merged stores, one is chosen."""
        found: dict[str, StoredFile] = {}
        for stored in self.all():
            other = found.get(stored.key)
            if other is None or stored.digest < other.digest:
                found[stored.key] = stored
        return found

    def all(self) -> Iterator[StoredFile]:
        """Yield all files."""
        for folder in self._folders():
            yield from _files(folder)

    def folder_times(self) -> dict[str, int]:
        """Return when each subfolder got or lost a file last, in nanoseconds of Unix time."""
        return {folder.name: folder.stat().st_mtime_ns for folder in self._folders()}

    def in_folder(self, name: str) -> Iterator[StoredFile]:
        """Yield the files of one subfolder, named by the first two digits of their keys."""
        return _files(self.folder / folder_of(name))

    def _folders(self) -> Iterator[Path]:
        return (folder for shard in subfolders(self.folder) for folder in subfolders(shard))

    def find(self, key: str) -> StoredFile | None:
        """Return the file of a key, or None."""
        found = min(
            (stored for stored in _files(self.folder / folder_of(key)) if stored.key == key),
            key=lambda stored: stored.digest,
            default=None,
        )
        bucket = self._bucket if found is None else None
        return found if bucket is None else bucket.find(self.folder.name, key)

    def put(self, key: str, data: bytes, *, durable: bool, extension: str | None = None) -> StoredFile:
        """Write a file atomically.

        Args:
            key: Key of the file.
            data: Content of the file.
            durable: Whether to force the content to disk. Use it for content that was paid for.
            extension: Extension without the dot. By default, the first bytes of the content decide, and ``bin`` stands
                for an unknown format.

        Returns:
            The file.
        """
        stored = StoredFile(key, hashlib.sha256(data).hexdigest(), extension or extension_of(data))
        path = self.path(stored)
        if not path.exists():
            write_whole(path, data, durable=durable, mode=READ_ONLY)
        if durable and (bucket := self._bucket) is not None:
            bucket.send(path)
        return stored

    def read(self, stored: StoredFile) -> bytes:
        """Read a file and check its digest.

        Raises:
            DamagedError: If the file is missing or damaged. A damaged file is moved aside.
        """
        path = self.path(stored)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            brought = None if self._bucket is None else self._bucket.bring(self.folder.name, stored)
            if brought is not None:
                return brought
            raise DamagedError(f"{path} is missing") from None
        except PermissionError:  # not damaged: the user can make it readable
            raise
        except OSError as error:  # a bad sector, or a folder in its place
            moved = self.set_aside(stored)
            raise DamagedError(f"{path} cannot be read ({error.strerror}); moved to {moved}") from None
        if hashlib.sha256(data).hexdigest() != stored.digest:
            raise DamagedError(f"{path} does not match its digest; moved to {self.set_aside(stored)}")
        return data

    @property
    def _bucket(self) -> Bucket | None:
        return bucket_of(self.folder.parent)

    def set_aside(self, stored: StoredFile) -> Path:
        """Move a damaged file to the folder of damaged files, and return its new path."""
        aside = self.damaged / stored.file_name
        aside.parent.mkdir(parents=True, exist_ok=True)
        if aside.exists():  # what was damaged before stays too
            aside = aside.with_name(f"{aside.name}.{time.time_ns()}")
        self.path(stored).replace(aside)
        return aside


class _MarkingStore(ContentStore):
    """Marks each image that was paid for as not shared yet, before it writes the image."""

    def __init__(self, folder: Path, damaged: Path, unshared: Path) -> None:
        super().__init__(folder, damaged)
        self._unshared = unshared

    def put(self, key: str, data: bytes, *, durable: bool, extension: str | None = None) -> StoredFile:
        if durable:
            self._unshared.mkdir(parents=True, exist_ok=True)
            (self._unshared / key).touch()
        return super().put(key, data, durable=durable, extension=extension)


class Store:
    """The folder of all images that were paid for.

    Args:
        root: Folder of the store, usually ``store/``.
        shares: Whether to mark images that were paid for as not shared with the team yet.

    Attributes:
        raw: Images as the provider sent them, by the key of their recipe.
        finished: Postprocessed images, by a key of the raw image and the steps.
        references: Reference images and masks that were sent with prompts, by digest.
        reproduced: Images that were made again for a comparison, by keys of their own.
        signatures: Content credentials of released images, by a key of their inputs.
        answers: What models answered, by a key of the image or prompt and of what was asked.
    """

    def __init__(self, root: Path, *, shares: bool = False) -> None:
        self.root = root
        self._shares = shares
        self.unshared = root / "unshared"
        raw, damaged = root / "raw", root / "damaged" / "raw"
        self.raw = _MarkingStore(raw, damaged, self.unshared) if shares else ContentStore(raw, damaged)
        self.finished = ContentStore(root / "finished", root / "damaged" / "finished")
        self.references = ContentStore(root / "references", root / "damaged" / "references")
        self.reproduced = ContentStore(root / "reproduced", root / "damaged" / "reproduced")
        self.signatures = ContentStore(root / "signatures", root / "damaged" / "signatures")
        self.answers = ContentStore(root / "answers", root / "damaged" / "answers")

    def beside(self, root: Path) -> Store:
        """Return a store of the same kind in another folder."""
        return Store(root, shares=self._shares)

    @property
    def journal_folder(self) -> Path:
        """Folder of the journal."""
        return self.root / "journal"

    @property
    def measures_folder(self) -> Path:
        """Folder of measured values that travel with the images."""
        return self.root / "measures"

    def keep_unreadable(self, call: str, body: bytes) -> Path:
        """Keep a response that was paid for and whose image cannot be read or is at a URL, and return its path."""
        path = self.root / "unreadable" / f"{call}.bin"
        write_whole(path, body, durable=True)
        self._sent(path)
        return path

    def unreadable(self) -> dict[str, Path]:
        """Return the responses that are kept until their image can be read or fetched, by call."""
        return {path.stem: path for path in (self.root / "unreadable").glob("*.bin")}

    def forget_unreadable(self, call: str) -> None:
        """Remove a response whose image is in the store now."""
        path = self.root / "unreadable" / f"{call}.bin"
        path.unlink(missing_ok=True)
        if (bucket := bucket_of(self.root)) is not None:
            bucket.remove(path)

    def give_up_unreadable(self, call: str) -> None:
        """Move a response away whose image nobody waits for any longer."""
        path = self.root / "given_up" / f"{call}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        before = self.root / "unreadable" / path.name
        before.replace(path)
        self._sent(path)
        if (bucket := bucket_of(self.root)) is not None:
            bucket.remove(before)

    def keep_more(self, call: str, images: Sequence[bytes]) -> list[str]:
        """Keep further images of a response, which were paid for with the first one, and return their file names."""
        names = [f"{call}-{number}.{extension_of(image)}" for number, image in enumerate(images, 2)]
        for name, image in zip(names, images, strict=True):
            write_whole(self.root / "more" / name, image, durable=True)
            self._sent(self.root / "more" / name)
        return names

    def _sent(self, path: Path) -> None:
        if (bucket := bucket_of(self.root)) is not None:
            bucket.send(path)

    @property
    def is_remote(self) -> bool:
        """Whether it is in a bucket, so that looking into it takes time."""
        return bucket_of(self.root) is not None

    def claim(self, key: str) -> Claim:
        """Return the lock to hold while generating a key, so that no other job or run on this store pays for it too.

        After you acquire it, look in the store again, because the previous holder may have generated the key. Release
        the lock with ``remove=True``.
        """
        bucket = bucket_of(self.root)
        return FileLock(self.root / "claims" / key) if bucket is None else bucket.claim(key)

    def sweep_claims(self) -> int:
        """Delete the claims that killed processes left, which nobody holds, and return how many those were."""
        bucket = bucket_of(self.root)
        swept = 0 if bucket is None else bucket.sweep_claims()
        return swept + sweep_locks((self.root / "claims").glob("*"))


def subfolders(folder: Path) -> Iterator[Path]:
    """Yield the folders in a folder; none if it does not exist."""
    if folder.is_dir():
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries if entry.is_dir())


def _files(folder: Path) -> Iterator[StoredFile]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            stored = stored_file(entry.name)
            if stored is not None:
                yield stored
