"""Publishing a release: what changed, in parallel, what leads to it last, and nothing deleted before that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from imagemake.versions.publish.objects import Object
from imagemake.versions.publish.plan import PublishPlan, compare
from imagemake.versions.publish.record import MOST_BYTES, NAME, SentFile, read_record, record_bytes

if TYPE_CHECKING:
    from imagemake.config.remotes import Publish
    from imagemake.store.remote.storage import ListedObject, Storage

_OF_RECORD = ("application/json", "no-cache")
_MD5_DIGITS = 32


class Publisher:
    """Brings a release to a place.

    Args:
        storage: The place.
        settings: Headers.
        warn: Told what is odd, a sentence each.
    """

    def __init__(self, storage: Storage, settings: Publish, warn: Callable[[str], None]) -> None:
        self._storage, self._settings = storage, settings
        listed = storage.list()
        try:
            self._sent = dict(read_record(storage.get(NAME, MOST_BYTES) if NAME in listed else None))
        except ValueError as error:
            warn(f"{error}; everything is compared by content, and what is not of this release stays")
            self._sent = {}
        self._listed = listed

    def due(self, objects: Sequence[Object], *, again: bool = False) -> PublishPlan:
        """Say what is to be done."""
        return compare(objects, self._listed, self._sent, self._is_whole, again=again)

    def send(self, due: PublishPlan, tell: Callable[[int], None]) -> None:
        """Send what is due: images that nothing leads to yet, those that are replaced, tables, and the manifest.

        Killed at any moment, the next publish sends the rest.

        Args:
            due: What `due` said.
            tell: Told the bytes of each file that has arrived.

        Raises:
            PlaceError: If the place does not take a file.
            UserError: If a file is changed meanwhile.
        """
        for one in due.same:
            known = self._sent.get(one.name)
            if known is None or not known.is_sure or known.digest != one.digest:
                self._sent[one.name] = SentFile(one.digest, self._listed[one.name].etag)
        if not due.send:
            return
        self._sent |= {one.name: SentFile(one.digest, is_sure=False) for _, one, _ in due.send}
        self._write_record()

        def put(one: Object) -> None:
            etag = self._storage.put(one.name, one.read(), one.content_type, one.cache_control(self._settings))
            self._sent[one.name] = SentFile(one.digest, etag)
            tell(one.size_bytes)

        for _, together in groupby(due.send, key=lambda step: step[0]):
            self._storage.each(put, [one for _, one, _ in together])
        self._write_record()

    def prune(self, names: Iterable[str], tell: Callable[[int], None]) -> None:
        """Take away what an earlier publish put there; only what `due` called superseded."""
        gone = list(names)

        def delete(name: str) -> None:
            self._storage.delete(name)
            self._sent.pop(name, None)
            tell(self._listed[name].bytes)

        try:
            self._storage.each(delete, gone)
        finally:
            if gone:
                self._write_record()

    def _write_record(self) -> None:
        self._storage.put(NAME, record_bytes(self._sent), *_OF_RECORD)

    def _is_whole(self, one: Object, there: ListedObject) -> bool:
        if there.etag is not None and len(there.etag) == _MD5_DIGITS:
            return hashlib.md5(one.read(), usedforsecurity=False).hexdigest() == there.etag
        data = self._storage.get(one.name, one.size_bytes)
        return data is not None and hashlib.sha256(data).hexdigest() == one.digest
