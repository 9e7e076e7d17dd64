"""The append-only record of every call to a provider: JSON Lines, one file a job, so that writers never meet.

A call is written down before it is sent and closed with its outcome. One that was never closed has an unknown outcome:
the process died between, and it may have been billed.
"""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from imagemake.core.files import make_own, sync_folder, write_whole


class Outcome(StrEnum):
    """How a call ended."""

    MADE = "made"  # the image is in the store
    REFUSED = "refused"  # final for its key
    FAILED = "failed"  # nothing was made, nothing billed
    UNREADABLE = "unreadable"  # billed, but no image came
    UNKNOWN = "unknown"  # sent, and no answer: possibly billed
    SHARED = "shared"  # no call: the image came from the team's store, and somebody else paid
    WAITING = "waiting"  # in a batch of the provider, whose results were not collected yet; never written


KNOWN_OUTCOMES = frozenset(outcome.value for outcome in Outcome if outcome is not Outcome.WAITING)
NEEDED = ("at", "key", "name")


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as the journal tells it.

    Attributes:
        sent: The record from before it was sent: call, at, campaign, name, key, attempt, tried, recipe, worst_usd.
        closed: The record of its end: at, outcome, status, request_id, code, message, usage, cost_usd, seconds, digest;
            None where there is none.
    """

    sent: Mapping[str, Any]
    closed: Mapping[str, Any] | None

    @property
    def outcome(self) -> Outcome:
        """How it ended, as far as is known."""
        if self.closed is None:
            return Outcome.WAITING if "submission" in self.sent else Outcome.UNKNOWN
        return Outcome(self.closed["outcome"])


class Journal:
    """Writes one job's records.

    Args:
        folder: Usually ``store/journal``.
        job: Name of the job, such as its batch.
        durable: Force each record to disk before going on; for calls that cost money.
        path: A file that an earlier process began, to go on with; a last line that a crash tore stays its own line.
    """

    def __init__(self, folder: Path, job: str, *, durable: bool, path: Path | None = None) -> None:
        self.job = job
        now = datetime.now(UTC)
        self.path = path or folder / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}-{job}-{uuid.uuid4().hex[:8]}.jsonl"
        self._durable = durable
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._torn = path is not None and _ends_torn(path)

    def sent_all(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write down many calls that are about to be sent together, each with its own name, and force them to disk."""
        option = orjson.OPT_APPEND_NEWLINE
        now = _now()
        lines = [orjson.dumps({"event": "sent", "at": now, **record}, option=option) for record in records]
        self._append_bytes(b"".join(lines))

    def sent(self, **fields: Any) -> str:
        """Write down a call that is about to be sent.

        Returns:
            The call's own name, for `closed`.
        """
        call = uuid.uuid4().hex
        self._append({"event": "sent", "call": call, "at": _now(), **fields})
        return call

    def arrived(self, **fields: Any) -> None:
        """Write down an image that came from the team's store; for it, nobody was asked, and nothing was paid.

        Args:
            fields: As for `sent`; and ``digest``, ``request_id`` and ``origin``, which tell who made it.
        """
        call, now = uuid.uuid4().hex, _now()
        of_end = {name: fields.pop(name, None) for name in ("digest", "request_id", "origin")}
        known: dict[str, Any] = {name: value for name, value in of_end.items() if value is not None}
        sent: dict[str, Any] = {"event": "sent", "call": call, "at": now, "tried": 0, "worst_usd": 0.0, **fields}
        end: dict[str, Any] = {
            "event": "closed",
            "call": call,
            "at": now,
            "outcome": Outcome.SHARED.value,
            "cost_usd": 0.0,
            **known,
        }
        end["key"] = fields["key"]
        lines = [orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in (sent, end)]
        self._append_bytes(b"".join(lines))

    def closed(self, call: str, outcome: Outcome, **fields: Any) -> Mapping[str, Any]:
        """Write down how a call ended; what is None is left out.

        Returns:
            The record.
        """
        known = {name: value for name, value in fields.items() if value is not None}
        record = {"event": "closed", "call": call, "at": _now(), "outcome": outcome.value, **known}
        self._append(record)
        return record

    def _append(self, record: Mapping[str, Any]) -> None:
        self._append_bytes(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    def _append_bytes(self, line: bytes) -> None:
        with self._lock:
            self._handle = self._open() if self._handle is None else self._own(self._handle)
            # A disk that was full may have left half a line: the next one starts afresh, and only that half is lost.
            line = b"\n" + line if self._torn else line
            self._torn = True
            while line:
                line = line[os.write(self._handle, line) :]
            self._torn = False
        if self._durable:
            os.fsync(self._handle)

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        make_own(self.path)
        # Read as well as written: see `_own`.
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        if self._durable:
            sync_folder(self.path.parent)
        return handle

    def _own(self, handle: int) -> int:
        """Return the handle, or a new one where the file got another name meanwhile, as by `dvc add`, or lost its own.

        What is written in place through a hard link changes DVC's cache, which takes it for what it was.
        """
        now = os.fstat(handle)
        with suppress(FileNotFoundError):
            if now.st_nlink == 1 and os.path.samestat(now, self.path.stat()):
                return handle
        write_whole(self.path, os.pread(handle, now.st_size, 0), durable=self._durable)
        os.close(handle)
        return self._open()

    def close(self) -> None:
        """Close the file; a job that made no call leaves none."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def calls_in(path: Path) -> list[Call]:
    """Read every call of one file; none where there is no file.

    A record that cannot be one of ours is left out, with a warning on standard error that names file and line.
    """
    return calls_of(path, None) if path.exists() else []


def calls_of(path: Path, n_bytes: int | None) -> list[Call]:
    """Read the calls of the first bytes of a file, or of all of it: a journal only grows."""
    sent: dict[str, dict[str, Any]] = {}
    closed: dict[str, dict[str, Any]] = {}
    for number, record in _records(path.read_bytes()[:n_bytes]):
        fault = _fault(record, sent)
        if fault:
            _warn(f"{path}, line {number}: {fault}; the line is left out")
        else:
            (sent if record["event"] == "sent" else closed)[record["call"]] = record
    return [Call(record, closed.get(call)) for call, record in sent.items()]


def read_calls(folder: Path) -> Iterator[Call]:
    """Read every call of every job, in the order of the days and files."""
    for path in sorted(folder.glob("*/*.jsonl")):
        yield from calls_in(path)


def _records(content: bytes) -> Iterator[tuple[int, Any]]:
    # A line that a crash tore is no fault: the call that it would have told of is unknown, or not sent.
    for number, line in enumerate(content.split(b"\n"), 1):
        if line:
            with suppress(orjson.JSONDecodeError):
                yield number, orjson.loads(line)


def _fault(record: Any, sent: Mapping[str, Any]) -> str | None:
    """Say what keeps a record from being one of ours."""
    if not isinstance(record, dict) or not isinstance(record.get("call"), str):
        return "it names no call"
    match record.get("event"):
        case "sent":
            missing = [name for name in NEEDED if not isinstance(record.get(name), str)]
            recipe = record.get("recipe")
            if not isinstance(recipe, dict) or not isinstance(recipe.get("model"), str):
                missing.append("recipe.model")
            return f"a call without {', '.join(missing)}" if missing else None
        case "closed" if record["call"] not in sent:
            return "the end of a call that was never sent"
        case "closed":
            known = record.get("outcome") in KNOWN_OUTCOMES
            return None if known else f"{str(record.get('outcome'))[:40]!r} is no outcome of a call"
        case event:
            return f"{str(event)[:40]!r} is no event"


@cache
def _warn(what: str) -> None:
    print(f"Warning: {what}", file=sys.stderr)  # once, however often a plan reads the journal


def _ends_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
