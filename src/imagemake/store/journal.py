"""The append-only journal of every call to a provider: JSON Lines, one file per job, so that jobs never share a file.

A job records each call before it sends the call, and closes it with its outcome. A call that was never closed has an
unknown outcome: the process died in between, and the call may have been billed. A call to a provider's queue also has a
record of its ticket, so that the next run asks for its image if the process died.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from imagemake.core.files import make_folder, make_own, sync_folder, write_whole
from imagemake.core.host_errors import naming
from imagemake.store.in_bucket import Parts, bucket_of
from imagemake.store.journal_lines import (
    CLOSED,
    SENT,
    SUBMITTED,
    DamagedLine,
    Lost,
    content_of,
    line_of,
    records_in,
    tell_damaged,
)

__all__ = ["Call", "Outcome", "read_calls"]


class Outcome(StrEnum):
    """How a call ended.

    Attributes:
        MADE: The image is in the store.
        REFUSED: The provider refused the prompt, which is final for the key.
        FAILED: There is no image, and the call was not billed.
        UNREADABLE: The call was billed, but its response holds no image.
        UNKNOWN: The call was sent and got no response. It may have been billed.
        SHARED: There was no call. The image came from the team store, so somebody else paid for it.
        WAITING: The call is in a batch or a queue at the provider and not collected yet. The journal never contains
            this value.
    """

    MADE = "made"
    REFUSED = "refused"
    FAILED = "failed"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    SHARED = "shared"
    WAITING = "waiting"


OF_FILES = frozenset(outcome.value for outcome in Outcome if outcome is not Outcome.WAITING)


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as recorded in the journal.

    Attributes:
        sent: Record written before the call: call, at, campaign, name, key, attempt, tried, recipe, worst_usd.
        closed: Record written after the call: at, outcome, status, request_id, code, message, quota, usage, cost_usd,
            seconds, digest. None if the call was never closed.
        submitted: Record written once the call was in the provider's queue: at, ticket. None for any other call.
    """

    sent: Mapping[str, Any]
    closed: Mapping[str, Any] | None
    submitted: Mapping[str, Any] | None = None

    @property
    def outcome(self) -> Outcome:
        """How the call ended, as far as is known."""
        if self.closed is None:
            return Outcome.WAITING if "submission" in self.sent or self.submitted else Outcome.UNKNOWN
        return Outcome(self.closed["outcome"])


class Journal:
    """Writes the records of one job.

    Args:
        folder: Folder of the journal, usually ``store/journal``.
        job: Name of the job, such as the name of its batch.
        durable: Whether to force each record to disk before continuing. Use it for calls that cost money.
        path: File of an earlier process to continue. If a crash left half a line at its end, new records start on
            the next line.

    Attributes:
        in_flight: Calls that were recorded by `sent` and are not closed yet.
        cost_usd: What the calls cost that were closed here, in USD, as far as it is known.
    """

    def __init__(self, folder: Path, job: str, *, durable: bool, path: Path | None = None) -> None:
        self.job = job
        now = datetime.now(UTC)
        self.path = path or folder / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}-{job}-{uuid.uuid4().hex[:8]}.jsonl"
        self._durable = durable
        self._lock = threading.Lock()
        self._force_lock = threading.Lock()
        self._n_written = self._n_forced = 0  # appends
        self._handle: int | None = None
        self._torn = path is not None and _ends_torn(path)
        bucket = bucket_of(self.path.parents[2])
        self._parts: Parts | None = None if bucket is None else bucket.journal_parts(self.path)
        self.in_flight = 0
        self.cost_usd = 0.0

    def sent_all(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Record many calls that are about to be sent together. Each record has its own ``call`` id."""
        self._append(*({"event": SENT, "at": _now(), **record} for record in records))

    def sent(self, **fields: Any) -> str:
        """Record a call that is about to be sent.

        Returns:
            The id of the call, for `closed`.
        """
        call = uuid.uuid4().hex
        self._append({"event": SENT, "call": call, "at": _now(), **fields})
        self.in_flight += 1
        return call

    def submitted(self, call: str, *, key: str, ticket: Mapping[str, Any]) -> None:
        """Record that a call is in the provider's queue, and how to ask for its image."""
        self._append({"event": SUBMITTED, "call": call, "at": _now(), "key": key, "ticket": ticket})

    def arrived(self, **fields: Any) -> None:
        """Record an image that came from the team store, without a call and without cost.

        Args:
            fields: The fields of `sent`, and ``digest``, ``request_id`` and ``origin`` of the image.
        """
        call, now = uuid.uuid4().hex, _now()
        of_end = {name: fields.pop(name, None) for name in ("digest", "request_id", "origin")}
        sent = {"event": SENT, "call": call, "at": now, "tried": 0, "worst_usd": 0.0, **fields}
        end = {"event": CLOSED, "call": call, "at": now, "outcome": Outcome.SHARED.value, "cost_usd": 0.0}
        known = {name: value for name, value in of_end.items() if value is not None}
        self._append(sent, {**end, **known, "key": fields["key"]})

    def closed(self, call: str, outcome: Outcome, **fields: Any) -> Mapping[str, Any]:
        """Record how a call ended. Fields that are None are omitted.

        Returns:
            The record.
        """
        known = {name: value for name, value in fields.items() if value is not None}
        record = {"event": CLOSED, "call": call, "at": _now(), "outcome": outcome.value, **known}
        self._append(record)
        self.in_flight = max(0, self.in_flight - 1)
        self.cost_usd += known.get("cost_usd", 0.0)
        return record

    def _append(self, *records: Mapping[str, Any]) -> None:
        line = b"".join(map(line_of, records))
        with self._lock, naming(self.path):
            self._handle = self._open() if self._handle is None else self._own(self._handle)
            # A process that was killed may have left half a line. Start a new line, so that only the half is lost.
            line = b"\n" + line if self._torn else line
            before = os.fstat(self._handle).st_size
            try:
                while line:
                    line = line[os.write(self._handle, line) :]
            except OSError:  # a full disk takes half a line; cutting it off needs no room
                os.ftruncate(self._handle, before)
                raise
            self._torn = False
            self._n_written += 1
            number = self._n_written
        if self._durable:
            with naming(self.path):
                self._force(number)

    def _force(self, number: int) -> None:
        """Return once an append is on disk. One fsync serves all threads that wait for the one before it."""
        with self._force_lock:
            if self._n_forced >= number:
                return
            with self._lock:
                assert self._handle is not None
                handle, n_written = os.dup(self._handle), self._n_written  # `_own` may close the other one
            try:
                os.fsync(handle)
                if self._parts is not None:
                    self._parts.extend(handle)
            finally:
                os.close(handle)
            self._n_forced = n_written

    def _open(self) -> int:
        make_folder(self.path.parent, durable=self._durable)
        make_own(self.path)
        # Open for reading too: `_own` copies the content.
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        if self._durable:
            sync_folder(self.path.parent)
        return handle

    def _own(self, handle: int) -> int:
        """Return the handle, or a new one if the file was removed or got a hard link meanwhile, as by `dvc add`.

        Writing through a hard link would change the copy in DVC's cache, which must never change.
        """
        now = os.fstat(handle)
        with suppress(FileNotFoundError):
            if now.st_nlink == 1 and os.path.samestat(now, self.path.stat()):
                return handle
        write_whole(self.path, os.pread(handle, now.st_size, 0), durable=self._durable)
        os.close(handle)
        return self._open()

    def close(self) -> None:
        """Close the file. A job without calls creates no file."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            try:
                if self._parts is not None:
                    self._parts.extend(handle)
                    self._parts.finish()
            finally:
                os.close(handle)


def calls_in(path: Path) -> list[Call]:
    """Return the calls in one file, or none if the file does not exist.

    Raises:
        NotReadyError: If the file cannot be read.
    """
    damaged: list[DamagedLine] = []
    calls = calls_of(path, None, damaged) if path.exists() else []
    tell_damaged(damaged)
    return calls


def calls_of(path: Path, n_bytes: int | None, damaged: list[DamagedLine]) -> list[Call]:
    """Return the calls in the first `n_bytes` of a file, or in all of it if None. A journal file only grows.

    Args:
        path: The file.
        n_bytes: How much of it to read.
        damaged: Gets the records that are damaged or invalid, which are ignored.

    Raises:
        NotReadyError: If the file cannot be read.
    """
    sent: dict[str, dict[str, Any]] = {}
    closed: dict[str, dict[str, Any]] = {}
    submitted: dict[str, dict[str, Any]] = {}
    faults: list[DamagedLine] = []
    orphans: list[DamagedLine] = []
    for number, record in records_in(content_of(path)[:n_bytes], OF_FILES):
        if isinstance(record, Lost):
            faults.append(DamagedLine(path, number, record))
        elif record["event"] == SENT:
            sent[record["call"]] = record
        elif record["call"] in sent:
            (submitted if record["event"] == SUBMITTED else closed)[record["call"]] = record
        else:
            orphans.append(DamagedLine(path, number, Lost(f"the {record['event']} call was never sent")))
    damaged += faults or orphans  # the line of the sent call is among the damaged ones
    return [Call(record, closed.get(call), submitted.get(call)) for call, record in sent.items()]


def read_calls(folder: Path, damaged: list[DamagedLine] | None = None) -> Iterator[Call]:
    """Yield all calls of all jobs, in the order of days and files, and warn of damaged records at the end.

    Args:
        folder: Folder of the journal.
        damaged: Gets the damaged records, for a caller that needs more than the warning.

    Raises:
        NotReadyError: If a file cannot be read: its calls may be paid for, so nothing goes on without them.
    """
    damaged = [] if damaged is None else damaged
    for path in sorted(folder.glob("*/*.jsonl")):
        yield from calls_of(path, None, damaged)
    tell_damaged(damaged)


def _ends_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
