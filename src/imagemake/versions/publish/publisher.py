"""Publishes a release: sends changed objects in parallel, those that refer to others last, and only then deletes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from imagemake.versions.publish.objects import Object
from imagemake.versions.publish.plan import PublishPlan, plan_publish
from imagemake.versions.publish.record import MAX_BYTES, NAME, SentFile, read_record, record_parts

if TYPE_CHECKING:
    from imagemake.config.remotes import Publish
    from imagemake.store.remote.storage import ListedObject, Storage

_RECORD_HEADERS = ("application/json", "no-cache")
_MD5_DIGITS = 32


class Publisher:
    """Publishes releases to one remote.

    Args:
        storage: The remote.
        settings: Headers of objects.
        warn: Called with each warning.
    """

    def __init__(self, storage: Storage, settings: Publish, warn: Callable[[str], None]) -> None:
        self._storage, self._settings = storage, settings
        listed = storage.list()
        try:
            self._sent = dict(read_record(storage.get(NAME, MAX_BYTES) if NAME in listed else None))
        except ValueError as error:
            warn(f"{error}; comparing all files by content, and keeping files that are not in this release")
            self._sent = {}
        self._listed = listed

    def plan(self, objects: Sequence[Object], *, again: bool = False) -> PublishPlan:
        """Return the steps to publish a release."""
        return plan_publish(objects, self._listed, self._sent, self._is_whole, again=again)

    def send(self, plan: PublishPlan, report: Callable[[int], None]) -> None:
        """Send new images, replaced images, tables, and the manifest, in this order.

        If this is interrupted, the next publish sends the rest.

        Args:
            plan: The steps, from `plan`.
            report: Called with the size of each file that was sent, in bytes.

        Raises:
            PlaceError: If the remote rejects a file.
            UserError: If a file changes meanwhile.
        """
        for one in plan.same:
            known = self._sent.get(one.name)
            if known is None or not known.is_complete or known.digest != one.digest:
                self._sent[one.name] = SentFile(one.digest, self._listed[one.name].etag)
        if not plan.send:
            return
        self._sent.update((one.name, SentFile(one.digest, is_complete=False)) for _, one, _ in plan.send)
        self._write_record()

        def put(one: Object) -> None:
            etag = self._storage.put(one.name, one.parts, one.content_type, one.cache_control(self._settings))
            self._sent[one.name] = SentFile(one.digest, etag)
            report(one.size_bytes)

        for _, steps in groupby(plan.send, key=lambda step: step[0]):
            self._storage.each(put, [one for _, one, _ in steps])
        self._write_record()

    def prune(self, names: Iterable[str], report: Callable[[int], None]) -> None:
        """Delete superseded objects of an earlier publish.

        Args:
            names: Names from `PublishPlan.superseded`.
            report: Called with the size of each deleted file, in bytes.
        """
        gone = list(names)

        def delete(name: str) -> None:
            self._storage.delete(name)
            self._sent.pop(name, None)
            report(self._listed[name].bytes)

        try:
            self._storage.each(delete, gone)
        finally:
            if gone:
                self._write_record()

    def _write_record(self) -> None:
        self._storage.put(NAME, partial(record_parts, self._sent), *_RECORD_HEADERS)

    def _is_whole(self, one: Object, remote: ListedObject) -> bool:
        if remote.etag is not None and len(remote.etag) == _MD5_DIGITS:
            own = hashlib.md5(usedforsecurity=False)
            for some in one.parts():
                own.update(some)
            return own.hexdigest() == remote.etag
        data = self._storage.get(one.name, one.size_bytes)
        return data is not None and hashlib.sha256(data).hexdigest() == one.digest
