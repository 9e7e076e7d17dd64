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

from imagemake.core.file_stamp import FileStamp, stamp_of
from imagemake.core.files import FileLock, sweep_locks, sync_folder
from imagemake.core.sealed import parsed_sealed, write_sealed
from imagemake.core.told_once import tell_once
from imagemake.store.journal import calls_in


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
        kind: What its calls are, as the journal names it; empty for images.
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
    kind: str = ""


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
        write_sealed(self._path(submission), asdict(submission), durable=True)

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

    def sweep_locks(self) -> int:
        """Delete the locks of closed submissions that killed processes left, and return how many those were."""
        paths = self._folder.glob("*.lock")
        return sweep_locks(path for path in paths if path != self.submitting().path and not _has_submission(path))

    def _keys_in(self, path: Path) -> frozenset[str]:
        submission = self._read(path)
        return frozenset(submission.calls.values()) if submission else frozenset()

    def _read(self, path: Path) -> Submission | None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # collected meanwhile
            return None
        except OSError:  # a folder, or a bad sector
            content = b""
        return _submission_in(content, path.stem) or self._restored(path)

    def _restored(self, path: Path) -> Submission | None:
        """Move a damaged file aside, and write it again from the journal; None if the journal has no call of it."""
        aside = self._folder.parent / "damaged" / self._folder.name / f"{path.name}.{time.time_ns()}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.rename(aside)
        except FileNotFoundError:  # collected meanwhile
            return None
        found = submission_of_journal(self._folder.parent, path.stem)
        if found is None:  # calls are recorded before anything is sent
            tell_once(f"{path} was damaged, and the journal has no call of it: nothing was sent. It is now {aside}")
        else:
            self.save(found)
            tell_once(f"{path} was damaged, and is written again from the journal. The damaged file is now {aside}")
        return found

    def _path(self, submission: Submission) -> Path:
        return self._folder / f"{submission.id}.json"


def _has_submission(lock: Path) -> bool:
    return lock.with_suffix(".json").exists()


def submission_of_journal(store: Path, submission_id: str) -> Submission | None:
    """Return a submission as the journal knows it, to be looked up in the provider's list.

    Args:
        store: Folder of the store.
        submission_id: Its id.

    Returns:
        The submission, or None if the journal has no call of it.
    """
    for path in sorted((store / "journal").glob("*/*.jsonl")):
        sent = [call.sent for call in calls_in(path) if call.sent.get("submission") == submission_id]
        if sent:
            recipe = sent[0]["recipe"]
            return Submission(
                id=submission_id,
                step=SubmissionStep.CREATING,
                provider=recipe.get("provider", ""),
                endpoint=recipe.get("endpoint"),
                model=recipe["model"],
                journal=str(path.relative_to(store)),
                calls={one["call"]: one["key"] for one in sent},
                made_at=sent[0]["at"],
                kind=sent[0].get("kind", ""),
            )
    return None


def _submission_in(content: bytes, submission_id: str) -> Submission | None:
    try:
        data = parsed_sealed(content) or {}
        found = Submission(**{**data, "step": SubmissionStep(data["step"])})
    except (TypeError, KeyError, ValueError):
        return None
    return found if found.id == submission_id and isinstance(found.calls, dict) else None
