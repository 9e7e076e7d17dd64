"""What was handed to a provider as a batch and not yet collected: one small file a submission, under the store.

A submission holds its lock for as long as a process works on it; the kernel lets go of it however that process ends.
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
    """How far a submission has come."""

    PREPARED = "prepared"  # nothing was asked for yet
    CREATING = "creating"  # the batch may exist: the provider's list tells
    CREATED = "created"  # the batch has an id


@dataclass(frozen=True, slots=True)
class Submission:
    """One batch at the provider.

    Attributes:
        id: Our own name for it, which the batch carries as metadata; 32 hexadecimal digits.
        step: How far it has come.
        provider: Registered name of the provider.
        endpoint: What stands for the server in recipes.
        model: Name of the one model.
        journal: Its journal file, relative to the store.
        calls: Key by call; a call's name is its line's ``custom_id``.
        made_at: When, ISO 8601 in UTC.
        batch: The provider's name for it, once it is known.
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
        store: The store's folder.
    """

    def __init__(self, store: Path) -> None:
        self._folder = store / "submissions"
        self._keys: dict[tuple[str, FileStamp | None], frozenset[str]] = {}

    def all(self) -> Iterator[Submission]:
        """Read every open submission, in the order of their names."""
        for path in sorted(self._folder.glob("*.json")):
            submission = self._read(path)
            if submission is not None:
                yield submission

    def read(self, submission: Submission) -> Submission | None:
        """Read it again; None where it is closed."""
        return self._read(self._path(submission))

    def holds(self, key: str) -> bool:
        """Say whether an open submission asks for a key; a file that was read and has not changed is not read again."""
        found: dict[tuple[str, FileStamp | None], frozenset[str]] = {}
        for path in self._folder.glob("*.json"):
            with suppress(FileNotFoundError):  # collected meanwhile
                state = (path.name, stamp_of(path))
                found[state] = self._keys.get(state) or self._keys_in(path)
        self._keys = found
        return any(key in keys for keys in found.values())

    def age_s(self, submission: Submission) -> float:
        """Return how long ago it came as far as it has come, in seconds; infinite where it is closed."""
        try:
            return max(0.0, time.time() - self._path(submission).stat().st_mtime)
        except FileNotFoundError:
            return math.inf

    def save(self, submission: Submission) -> None:
        """Write it whole, and force it to disk."""
        write_whole(self._path(submission), orjson.dumps(asdict(submission)), durable=True)

    def remove(self, submission: Submission) -> None:
        """Forget it: all of its calls are closed."""
        self.requests_file(submission).unlink(missing_ok=True)  # where a process died while it uploaded
        self._path(submission).unlink(missing_ok=True)
        sync_folder(self._folder)

    def requests_file(self, submission: Submission) -> Path:
        """Return where the file of its requests is while it is uploaded."""
        return self._folder / f"{submission.id}.requests.jsonl"

    def lock(self, submission_id: str) -> FileLock:
        """Return the lock that whoever works on a submission holds."""
        return FileLock(self._folder / f"{submission_id}.lock")

    def submitting(self) -> FileLock:
        """Return the lock under which keys are chosen for a new submission."""
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
