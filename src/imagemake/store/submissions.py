"""Batches that were submitted to a provider and not collected yet: one small file per submission, in the store.

A process holds a submission's lock while it works on it. The kernel releases the lock however the process ends.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from imagemake.core.file_stamp import FileStamp, stamp_of
from imagemake.core.files import FileLock, sync_folder, write_whole


class SubmissionStep(StrEnum):
    """The progress of a submission."""

    PREPARED = "prepared"  # nothing was sent yet
    CREATING = "creating"  # the batch may exist; look in the provider's list
    CREATED = "created"  # the batch has an id


@dataclass(frozen=True, slots=True)
class Submission:
    """One batch at the provider.

    Attributes:
        id: Id of the submission, which the batch carries as metadata; 32 hexadecimal digits.
        step: Progress of the submission.
        provider: Registered name of the provider.
        endpoint: Value of the server in recipes.
        model: Name of the only model.
        journal: Path of its journal file, relative to the store.
        calls: Keys by call id. The call id is the ``custom_id`` of the request.
        made_at: Time of creation, ISO 8601 in UTC.
        batch: The provider's id of the batch, or None if it is not known yet.
    """

    id: str
    step: SubmissionStep
    provider: str
    endpoint: str | None
    model: str
    journal: str
    calls: Mapping[str, str]
    made_at: str
    batch: str | None = None


class Submissions:
    """The open submissions of a store.

    Args:
        store: Folder of the store.
    """

    def __init__(self, store: Path) -> None:
        self._folder = store / "submissions"
        self._keys: dict[tuple[str, FileStamp | None], frozenset[str]] = {}

    def all(self) -> Iterator[Submission]:
        """Yield all open submissions, in the order of their ids."""
        for path in sorted(self._folder.glob("*.json")):
            submission = self._read(path)
            if submission is not None:
                yield submission

    def read(self, submission: Submission) -> Submission | None:
        """Read a submission again; return None if it was closed."""
        return self._read(self._path(submission))

    def holds(self, key: str) -> bool:
        """Return whether an open submission contains a key. Files that have not changed are not read again."""
        found: dict[tuple[str, FileStamp | None], frozenset[str]] = {}
        for path in self._folder.glob("*.json"):
            with suppress(FileNotFoundError):  # collected meanwhile
                state = (path.name, stamp_of(path))
                found[state] = self._keys.get(state) or self._keys_in(path)
        self._keys = found
        return any(key in keys for keys in found.values())

    def age_s(self, submission: Submission) -> float:
        """Return the seconds since the last progress of a submission; infinite if it was closed."""
        try:
            return max(0.0, time.time() - self._path(submission).stat().st_mtime)
        except FileNotFoundError:
            return math.inf

    def save(self, submission: Submission) -> None:
        """Write a submission atomically, and force it to disk."""
        write_whole(self._path(submission), orjson.dumps(asdict(submission)), durable=True)

    def remove(self, submission: Submission) -> None:
        """Remove a submission after all of its calls were closed."""
        self.requests_file(submission).unlink(missing_ok=True)  # it remains if a process died during the upload
        self._path(submission).unlink(missing_ok=True)
        sync_folder(self._folder)

    def requests_file(self, submission: Submission) -> Path:
        """Return the path of the file of requests, which exists during the upload."""
        return self._folder / f"{submission.id}.requests.jsonl"

    def lock(self, submission_id: str) -> FileLock:
        """Return the lock to hold while working on a submission."""
        return FileLock(self._folder / f"{submission_id}.lock")

    def submitting(self) -> FileLock:
        """Return the lock to hold while choosing keys for a new submission."""
        return FileLock(self._folder / "submitting.lock")

    def _keys_in(self, path: Path) -> frozenset[str]:
        submission = self._read(path)
        return frozenset(submission.calls.values()) if submission else frozenset()

    @staticmethod
    def _read(path: Path) -> Submission | None:
        try:
            data = orjson.loads(path.read_bytes())
        except FileNotFoundError:  # collected meanwhile
            return None
        return Submission(**{**data, "step": SubmissionStep(data["step"])})

    def _path(self, submission: Submission) -> Path:
        return self._folder / f"{submission.id}.json"
