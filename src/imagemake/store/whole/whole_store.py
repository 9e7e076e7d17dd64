"""The store in a bucket, as one process sees it. Unlike an error of a team store, one of this store stops the job.

Each file has the name that it has in ``store/``, except for the journal; see `imagemake.store.whole.journal_parts`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from imagemake.core.files import write_whole
from imagemake.core.told_once import tell_once
from imagemake.images.formats import media_type_of
from imagemake.store.remote.errors import PlaceError, Trouble
from imagemake.store.remote.storage import Storage
from imagemake.store.stored_file import StoredFile, folder_of, stored_file
from imagemake.store.whole.claims import BucketClaim, sweep_claims
from imagemake.store.whole.journal_parts import JournalParts
from imagemake.store.whole.liveness import Liveness

TRIES, PARALLEL = 5, 16
PATIENCE_S, PAUSE_S = 300.0, 5.0  # for what was paid for, while the bucket refuses it
FEW_KEYS = 200  # up to so many keys are looked up one by one; a listing returns 1,000 names per request
MAX_BYTES = 1_000_000_000
READ_ONLY = 0o444
_UNKNOWN: Any = object()
ABSENT = "Mount it, or create the folder if the store is new; imagemake does not create it."


class WholeStore:
    """The store in a bucket. All methods are thread-safe.

    Args:
        address: Address of the store.
        timeout_s: Longest wait for a response, in seconds.
        root: Folder that is its copy.
        job: Name of the job or command.

    Attributes:
        storage: The bucket.
        root: Folder that is its copy.

    Raises:
        PlaceError: If the address cannot be used.
    """

    def __init__(self, address: str, timeout_s: float, root: Path, job: str) -> None:
        self.storage = Storage(address, timeout_s=timeout_s, tries=TRIES, parallel=PARALLEL)
        if self.storage.is_absent:  # creating the mount point of an unmounted folder would hide the store
            raise PlaceError(Trouble.MISSING, self.storage.address, "the folder does not exist", ABSENT)
        self.root = root.absolute()
        self._liveness = Liveness(self.storage, job)
        self._seen: dict[tuple[str, str], StoredFile | None] = {}
        self._damaged_names: dict[str, set[str]] = {}
        self._sent: set[Path] = set()

    def begin(self) -> None:
        """Let other processes know of this one.

        Raises:
            PlaceError: If the bucket cannot be written.
        """
        self._liveness.begin()

    def close(self) -> None:
        """Give back all claims."""
        self._liveness.end()

    def claim(self, key: str) -> BucketClaim:
        """Return the claim on a key; see `imagemake.store.store.Store.claim`."""
        return BucketClaim(self.storage, self._liveness, key)

    def sweep_claims(self) -> int:
        """Delete the claims of processes that have ended, and return how many those were."""
        return sweep_claims(self.storage, self._liveness.living())

    def journal_parts(self, path: Path) -> JournalParts:
        """Return what sends the lines that are appended to a file of the journal."""
        return JournalParts(self.storage, self.put, path, self.name_of(path))

    def name_of(self, path: Path) -> str:
        """Return the name in the bucket of a file of the copy."""
        return path.absolute().relative_to(self.root).as_posix()

    def put(self, name: str, data: bytes, content_type: str = "") -> None:
        """Write a file, and try for minutes: it may be paid for, and this disk may not outlive the job.

        Raises:
            PlaceError: If the bucket does not take it.
        """
        kind = content_type or media_type_of(name.rpartition(".")[2]) or "application/octet-stream"
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.storage.put(name, data, kind)
                return
            except PlaceError as error:
                if time.monotonic() > end:
                    raise
                tell_once(f"{error.why}. Writing is tried for {PATIENCE_S / 60:.0f} minutes.")
                time.sleep(PAUSE_S)

    def send(self, path: Path) -> None:
        """Send a file of the copy; see `put`."""
        self.put(self.name_of(path), path.read_bytes())
        self._sent.add(path.absolute())

    def remove(self, path: Path) -> None:
        """Delete a file that the copy no longer has."""
        self.storage.delete(self.name_of(path))

    def find(self, folder: str, key: str) -> StoredFile | None:
        """Return the file of a key; None if there is none. What `look_up` found counts for the first time.

        Raises:
            PlaceError: If the bucket cannot be read.
        """
        found: StoredFile | None = self._seen.pop((folder, key), _UNKNOWN)
        if found is _UNKNOWN:
            found = self._ask(folder, key)
        if found is not None:
            self._seen[folder, key] = found
        return found

    def look_up(self, folder: str, keys: Iterable[str]) -> None:
        """Learn which keys have a file, for the next `find` of each.

        Raises:
            PlaceError: If the bucket cannot be read.
        """
        wanted = {key for key in keys if self._seen.get((folder, key)) is None}
        if len(wanted) <= FEW_KEYS:
            self.storage.each(lambda key: self._seen.update({(folder, key): self._ask(folder, key)}), wanted)
            return
        found = self._files(folder, self.storage.list(folder))
        self._seen.update({(folder, key): found.get(key) for key in wanted})

    def bring(self, folder: str, stored: StoredFile) -> bytes | None:
        """Copy a file here, and return its content; None if it is missing, or not what its name says.

        Raises:
            PlaceError: If the bucket cannot be read.
        """
        name = f"{folder}/{stored.place}"
        data = self.storage.get(name, MAX_BYTES)
        if data is None:
            return None
        if hashlib.sha256(data).hexdigest() != stored.digest:
            tell_once(f"{self.storage.address}/{name} does not match its digest; it is not used from now on")
            self.storage.put(f"damaged/{folder}/{stored.file_name}", data, "application/octet-stream")
            self._damaged_names.pop(folder, None)
            self._seen.pop((folder, stored.key), None)
            return None
        write_whole(self.root / name, data, mode=READ_ONLY)
        return data

    def bring_all(self, folder: str, files: Iterable[StoredFile]) -> None:
        """Copy the files here that are not here yet, in parallel."""
        here = self.root / folder
        missing = {one for one in files if not (here / one.place).exists()}
        self.storage.each(lambda one: self.bring(folder, one), missing)

    def send_made(self, folder: str, made: Collection[StoredFile]) -> None:
        """Send files that this process or its children made, unless they were sent or the bucket has them.

        Raises:
            PlaceError: If the bucket does not take them.
        """
        here = {one: self.root / folder / one.place for one in made}
        left = {one: path for one, path in here.items() if path not in self._sent}
        self.look_up(folder, {one.key for one in left})
        self.storage.each(self.send, [path for one, path in left.items() if self.find(folder, one.key) is None])

    def _ask(self, folder: str, key: str) -> StoredFile | None:
        return self._files(folder, self.storage.list(f"{folder}/{folder_of(key)}", f"{key}.")).get(key)

    def _files(self, folder: str, names: Iterable[str]) -> dict[str, StoredFile]:
        """Return one file per key, as `ContentStore.index` does, without those that were found damaged."""
        found: dict[str, StoredFile] = {}
        for name in names:
            stored = stored_file(name.rpartition("/")[2])
            if stored is None or stored.file_name in self._damaged(folder):
                continue
            if stored.key not in found or stored.digest < found[stored.key].digest:
                found[stored.key] = stored
        return found

    def _damaged(self, folder: str) -> Collection[str]:
        found = self._damaged_names.get(folder)
        if found is None:
            listed = self.storage.list(f"damaged/{folder}")
            found = self._damaged_names[folder] = {name.rpartition("/")[2] for name in listed}
        return found
