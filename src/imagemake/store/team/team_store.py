"""Requests to the team store. An error causes a warning, but never stops a run."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from imagemake.images.formats import end_of_image, format_of, media_type_of
from imagemake.store.remote.errors import PlaceError, Trouble
from imagemake.store.remote.storage import Storage
from imagemake.store.team.origin_record import (
    MAX_NOTE_BYTES,
    OriginRecord,
    image_name,
    note_bytes,
    note_name,
    read_note,
)

if TYPE_CHECKING:
    from imagemake.config.remotes import SharedStore

TRIES = 2
PARALLEL = 16
MAX_IN_A_ROW = 3  # consecutive errors after which a job stops using the team store
HOPELESS = (Trouble.DENIED, Trouble.MISSING, Trouble.UNREACHABLE, Trouble.UNKNOWN_KIND, Trouble.FULL)
ABSENT = "Mount it, or create the folder if the team store is new; imagemake does not create it."
FEW_KEYS = 200  # up to this many keys are requested one by one; a listing returns 1,000 names per request


class TeamStore:
    """The team store. All methods are thread-safe, and none raises an error for a failed request.

    Reading and writing are given up separately, so an account that can only read still saves money.

    Args:
        settings: Section ``store`` of the configuration, with a remote.
        storage: Storage of the remote.
        warn: Called with a message for each problem.
    """

    def __init__(self, settings: SharedStore, storage: Storage, warn: Callable[[str], None]) -> None:
        self.address = storage.address
        self._settings, self._storage, self._warn = settings, storage, warn
        self._lock = threading.Lock()
        self._in_a_row: Counter[str] = Counter()
        self._given_up: set[str] = set()
        self._unusable: set[str] = set()

    @property
    def parallel(self) -> int:
        """Number of concurrent requests."""
        return self._storage.parallel

    @property
    def takes(self) -> bool:
        """Whether the job still uploads images."""
        return "write" not in self._given_up

    def fetch(self, key: str) -> tuple[bytes, OriginRecord] | None:
        """Return the image of a key, checked against its digest, or None if there is no usable image."""

        def ask() -> tuple[bytes | None, OriginRecord] | None:
            origin = self._note(key)
            return None if origin is None else (self._storage.get(image_name(origin.stored), origin.n_bytes), origin)

        found = self._try("read", ask)
        if found is None:
            return None
        data, origin = found
        fault = _fault_of(data, origin)
        if fault:
            self._unusable.add(key)
            self._warn(f"{self.address}: the image of key {key} is not used: {fault}")
            return None
        assert data is not None
        return data, origin

    def put(self, data: bytes, origin: OriginRecord, recipe: Mapping[str, Any]) -> bool:
        """Upload an image, unless the team store has an image of its key. Return whether it has one now.

        If the existing image was found to be unusable, the note names the new image from then on.
        """

        def ask() -> bool:
            if origin.stored.key not in self._unusable and self._note(origin.stored.key) is not None:
                return True
            media_type = media_type_of(origin.stored.extension) or "application/octet-stream"
            self._storage.put(image_name(origin.stored), data, media_type)
            shown = recipe if self._settings.remote_recipes else None
            self._storage.put(note_name(origin.stored.key), note_bytes(origin, shown), "application/json")
            return True

        return self._try("write", ask) or False

    def known(self, keys: Collection[str]) -> set[str] | None:
        """Return which of the keys the team store has, or None if it is unavailable."""
        wanted = set(keys)
        if len(wanted) > FEW_KEYS:
            listed = self._try("read", lambda: self._storage.list("raw"))
            return (
                None if listed is None else {name.rpartition("/")[2].removesuffix(".json") for name in listed} & wanted
            )
        found: set[str] = set()

        def ask(key: str) -> None:
            if self._try("read", lambda: self._note(key)) is not None:
                found.add(key)

        self._storage.each(ask, wanted)
        return None if "read" in self._given_up else found

    def _note(self, key: str) -> OriginRecord | None:
        data = self._storage.get(note_name(key), MAX_NOTE_BYTES)
        if data is None:
            return None
        try:
            return read_note(data, key)
        except ValueError as error:
            self._warn(f"{self.address}: the image of key {key} is not used: {error}")
            return None

    def _try(self, verb: str, ask: Callable[[], Any]) -> Any:
        if verb in self._given_up:
            return None
        try:
            answer = ask()
        except PlaceError as error:
            self._failed(verb, error)
            return None
        self._in_a_row[verb] = 0
        return answer

    def _failed(self, verb: str, error: PlaceError) -> None:
        with self._lock:
            self._in_a_row[verb] += 1
            if verb in self._given_up:
                return
            if error.trouble not in HOPELESS and self._in_a_row[verb] < MAX_IN_A_ROW:
                return
            self._given_up.add(verb)
        what = {
            "read": "this job stops reading from the team store and pays for missing images itself",
            "write": "this job stops writing to the team store; upload its images later with `imagemake share`",
        }[verb]
        self._warn(f"{what}: {error}. {error.remedy}")


def open_team_store(settings: SharedStore, warn: Callable[[str], None]) -> TeamStore | None:
    """Open the team store, or warn and return None if it is unavailable."""
    assert settings.team is not None
    try:
        storage = Storage(settings.team, timeout_s=settings.timeout_s, tries=TRIES, parallel=PARALLEL)
        if storage.is_absent:  # creating the mount point of an unmounted folder would hide the team's images
            raise PlaceError(Trouble.MISSING, storage.address, "the folder does not exist", ABSENT)
    except PlaceError as error:
        warn(f"the team store is not used: {error}. {error.remedy}")
        return None
    return TeamStore(settings, storage, warn)


def warn_in(job: str) -> Callable[[str], None]:
    """Return a function that prints each warning of a job to standard error once."""
    told: set[str] = set()

    def warn(what: str) -> None:
        if what not in told:
            told.add(what)
            with suppress(OSError):
                print(f"{job}: Warning: {what}", file=sys.stderr, flush=True)

    return warn


def _fault_of(data: bytes | None, origin: OriginRecord) -> str | None:
    if data is None:
        return "its note exists, but the image is missing"
    if hashlib.sha256(data).hexdigest() != origin.stored.digest:
        return "its content does not match its digest"
    try:
        is_whole = end_of_image(data, format_of(data)) is not None
    except ValueError as error:
        return str(error)
    return None if is_whole else "the file is incomplete"
