"""Asking the team's store for images, and putting them there. What goes wrong costs a warning and nothing else."""

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
    MOST_NOTE_BYTES,
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
MOST_IN_A_ROW = 3  # failures after which it is not asked any more
HOPELESS = (Trouble.DENIED, Trouble.MISSING, Trouble.UNREACHABLE, Trouble.UNKNOWN_KIND, Trouble.FULL)
ABSENT = "Mount it, or make the folder where this is the first use; nothing here makes it."
FEW_KEYS = 200  # that are asked for one by one; a listing brings 1,000 names with each request


class TeamStore:
    """The team's store. All methods are safe to call from several threads, and none raises for what it does.

    Reading and writing fail apart: who may only read still saves money.

    Args:
        settings: The campaign's section ``store``, with a remote.
        storage: Its place, open.
        warn: Told what went wrong, a sentence each.
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
        """Requests at once."""
        return self._storage.parallel

    @property
    def takes(self) -> bool:
        """Whether it is still written to."""
        return "write" not in self._given_up

    def fetch(self, key: str) -> tuple[bytes, OriginRecord] | None:
        """Fetch the image of a key, checked against its digest; None where there is none that can be used."""

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
        """Put an image there, unless there is one of its key; say whether there is one now.

        Where the one that is there was found to be of no use, the note leads to this one from then on.
        """

        def ask() -> bool:
            if origin.stored.key not in self._unusable and self._note(origin.stored.key) is not None:
                return True
            media_type = media_type_of(origin.stored.extension) or "application/octet-stream"
            self._storage.put(image_name(origin.stored), data, media_type)
            told = recipe if self._settings.remote_recipes else None
            self._storage.put(note_name(origin.stored.key), note_bytes(origin, told), "application/json")
            return True

        return self._try("write", ask) or False

    def known(self, keys: Collection[str]) -> set[str] | None:
        """Say which keys it has; None where it cannot be asked."""
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
        data = self._storage.get(note_name(key), MOST_NOTE_BYTES)
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
            if error.trouble not in HOPELESS and self._in_a_row[verb] < MOST_IN_A_ROW:
                return
            self._given_up.add(verb)
        what = {"read": "asked", "write": "written to"}[verb]
        then = {"read": "images are paid for here", "write": "`imagemake share` makes up for it"}[verb]
        self._warn(f"the team's store is not {what} any more in this job, and {then}: {error}. {error.remedy}")


def open_team_store(settings: SharedStore, warn: Callable[[str], None]) -> TeamStore | None:
    """Open the campaign's store of the team; None, with a warning, where it cannot be used."""
    assert settings.remote is not None
    try:
        storage = Storage(settings.remote, timeout_s=settings.timeout_s, tries=TRIES, parallel=PARALLEL)
        if storage.is_absent:  # else a folder that is not mounted would be made beside it, and everything paid for
            raise PlaceError(Trouble.MISSING, storage.address, "there is no such folder", ABSENT)
    except PlaceError as error:
        warn(f"the team's store is not used: {error}. {error.remedy}")
        return None
    return TeamStore(settings, storage, warn)


def warn_in(job: str) -> Callable[[str], None]:
    """Return what tells a job's warnings on standard error, each once."""
    told: set[str] = set()

    def warn(what: str) -> None:
        if what not in told:
            told.add(what)
            with suppress(OSError):
                print(f"{job}: Warning: {what}", file=sys.stderr, flush=True)

    return warn


def _fault_of(data: bytes | None, origin: OriginRecord) -> str | None:
    if data is None:
        return "its note is there, and the image is not"
    if hashlib.sha256(data).hexdigest() != origin.stored.digest:
        return "its bytes do not fit its digest"
    try:
        is_whole = end_of_image(data, format_of(data)) is not None
    except ValueError as error:
        return str(error)
    return None if is_whole else "the file ends before its image does"
