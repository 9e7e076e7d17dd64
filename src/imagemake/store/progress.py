"""What running jobs tell about their progress: a small file for each job, which the console of the run reads.

Files work for jobs on other machines too, as long as they share the disk. A job replaces its file at most once a
second. The file is named after the table that the job makes, so that its reader needs no list of files.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import orjson

from imagemake.core.files import write_whole
from imagemake.store.layout import GENERATED, progress_file, stopping_file

WRITE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a job has done so far.

    Attributes:
        images: Images of the job.
        done: Images that are generated, measured, or finished, whichever the job does.
        failed: Images without a result.
        review: Images that await review.
        in_flight: Calls without an answer so far.
        cost_usd: What the calls of the job cost, in USD.
        waits_for: What the job is waiting for, in words; empty if it works.
        waits_until: End of the wait, in seconds of Unix time; 0 if unknown.
        seconds: How long the job has worked, without its start.
    """

    images: int = 0
    done: int = 0
    failed: int = 0
    review: int = 0
    in_flight: int = 0
    cost_usd: float = 0.0
    waits_for: str = ""
    waits_until: float = 0.0
    seconds: float = field(default=0.0, compare=False)

    def __add__(self, other: Progress) -> Progress:
        """Return the progress of two jobs together, with the longer of two waits."""
        waits = max((self, other), key=lambda one: (bool(one.waits_for), one.waits_until))
        return Progress(
            self.images + other.images,
            self.done + other.done,
            self.failed + other.failed,
            self.review + other.review,
            self.in_flight + other.in_flight,
            self.cost_usd + other.cost_usd,
            waits.waits_for,
            waits.waits_until,
            self.seconds + other.seconds,
        )

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Read the content of a file. Values of other types than written count as missing."""
        if not isinstance(data, dict):
            return cls()
        kinds = {one.name: type(one.default) for one in fields(cls)}
        return cls(**{name: data[name] for name, kind in kinds.items() if _is_right(data.get(name), kind)})


def _is_right(value: Any, kind: type) -> bool:
    if kind is str:
        return isinstance(value, str)
    is_number = isinstance(value, kind | int) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


class JobProgress:
    """Writes the progress of one job.

    Args:
        work: The folder ``work/``; None if nobody reads the progress.
        table: The table that the job makes.
        images: Images of the job.
    """

    def __init__(self, work: Path | None, table: Path, images: int) -> None:
        self.now = Progress(images=images)
        self._path = progress_file(work, table) if work is not None else None
        self._stopping = stopping_file(work) if work is not None else None
        self._began, self._written_at = time.monotonic(), -math.inf
        self._elsewhere, self._looked_at = 0, -math.inf
        self._write()

    def update(self, **changes: Any) -> None:
        """Change attributes of the progress, and write it unless it was written within the last second."""
        self.now = replace(self.now, **changes)
        if time.monotonic() - self._written_at >= WRITE_EVERY_S:
            self._write()

    def end(self, **changes: Any) -> None:
        """Change attributes of the progress, and write it: the job is at the end of its work."""
        self.now = replace(self.now, in_flight=0, waits_for="", waits_until=0.0, **changes)
        self._write()

    @property
    def run_is_stopping(self) -> bool:
        """Whether the run was told to stop."""
        return self._stopping is not None and self._stopping.exists()

    def in_flight_elsewhere(self) -> int:
        """Return the calls that the other jobs of the run have in flight, as of the last second."""
        if self._path is not None and time.monotonic() - self._looked_at >= WRITE_EVERY_S:
            self._looked_at = time.monotonic()
            others = [path for path in self._path.parent.glob(f"{GENERATED}-*.json") if path != self._path]
            self._elsewhere = sum(read_progress(path).in_flight for path in others)
        return self._elsewhere

    def _write(self) -> None:
        self._written_at = time.monotonic()
        if self._path is not None:
            now = replace(self.now, seconds=round(self._written_at - self._began, 3))
            with suppress(OSError):  # a job must not fail because nobody can see it work
                write_whole(self._path, orjson.dumps(asdict(now)))


def no_progress() -> JobProgress:
    """Return a progress that nobody reads."""
    return JobProgress(None, Path(), 0)


def read_progress(path: Path) -> Progress:
    """Read the progress of a job; no progress if the file is missing or damaged."""
    try:
        return Progress.from_dict(orjson.loads(path.read_bytes()))
    except (OSError, orjson.JSONDecodeError):
        return Progress()
