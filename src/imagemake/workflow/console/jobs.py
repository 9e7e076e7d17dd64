"""The jobs of a run, from Snakemake's events: which ones run, and where their progress and logs are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from imagemake.store.layout import GENERATED, JUDGED, POSTPROCESSED, REWRITTEN, VALIDATED, progress_file
from imagemake.store.progress import Progress, read_progress
from imagemake.store.whole.shared_work import VARIABLE

COUNTED = (GENERATED, VALIDATED, JUDGED, REWRITTEN, POSTPROCESSED)
IN_STORAGE = " (send to storage)"  # which Snakemake adds to names
CLOSING = ("release", "image")  # folders of logs that hold what a job tells the user at its end


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        rule: Name of its rule.
        log: Its log; None if it has none.
        table: The folder of tables that it adds to; empty for other jobs.
        progress: The file in which it tells its progress; None for other jobs.
        is_elsewhere: Whether it shares no disk with this process, so that its log must be brought.
    """

    rule: str
    log: Path | None
    table: str = ""
    progress: Path | None = None
    is_elsewhere: bool = False

    @property
    def log_size(self) -> int:
        """Bytes in its log so far."""
        try:
            return self.log.stat().st_size if self.log is not None else 0
        except OSError:
            return 0

    @classmethod
    def of(cls, folder: Path, rule: str, outputs: Sequence[str], logs: Sequence[str]) -> Job:
        """Return a job by what Snakemake's event says of it.

        Args:
            folder: Snakemake's working folder. The process itself may leave it for a moment.
            rule: Name of the job's rule.
            outputs: Its outputs.
            logs: Its logs.
        """
        log = folder / _local(logs[0]) if logs else None
        is_elsewhere = any(name.endswith(IN_STORAGE) for name in logs)
        for path in (folder / _local(output) for output in outputs):
            if path.parent.name in COUNTED:
                return cls(rule, log, path.parent.name, progress_file(path.parent.parent, path), is_elsewhere)
        return cls(rule, log, is_elsewhere=is_elsewhere)

    @property
    def tells_the_end(self) -> bool:
        """Whether its log is for the user."""
        return self.log is not None and self.log.parent.name in CLOSING


def _local(name: str) -> str:
    """Return the path that a file has in Snakemake's folder, of which a storage has another name."""
    bare = name.removesuffix(IN_STORAGE)
    address = os.environ.get(VARIABLE, "")
    return bare.removeprefix(address).lstrip("/") if address and bare.startswith(address) else bare


@dataclass(slots=True)
class Jobs:
    """The jobs of a run by their numbers. One thread adds and ends them, another one reads their progress."""

    running: dict[int, Job] = field(default_factory=dict)
    _ended: dict[str, Progress] = field(default_factory=dict)
    _log_sizes: dict[int, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, number: int, job: Job) -> None:
        """Add a job that starts."""
        with self._lock:
            self.running[number] = job

    def end(self, number: int) -> Job | None:
        """Count the progress of a job for the last time; None if the job is not known."""
        with self._lock:
            job = self.running.pop(number, None)
            if job is not None and job.progress is not None:
                ended = read_progress(job.progress)
                self._ended[job.table] = self._ended.get(job.table, Progress()) + ended
        return job

    def with_news(self) -> list[Job]:
        """Return the running jobs whose logs have changed since the last call."""
        with self._lock:
            sizes = {number: job.log_size for number, job in self.running.items()}
            news = [self.running[number] for number, size in sizes.items() if size != self._log_sizes.get(number, 0)]
            self._log_sizes = sizes
        return news

    def work_folders(self) -> set[Path]:
        """Return the folders ``work/`` of the running jobs; a project that is a module with a prefix has its own."""
        with self._lock:
            return {path.parent.parent for _, path in self._told()}

    def progress(self) -> dict[str, Progress]:
        """Return the progress of all jobs together, by the folder of tables."""
        with self._lock:
            total = dict(self._ended)
            for table, path in self._told():
                total[table] = total.get(table, Progress()) + read_progress(path)
        return total

    def _told(self) -> Iterator[tuple[str, Path]]:
        return ((job.table, job.progress) for job in self.running.values() if job.progress is not None)
