"""How long jobs took per image, by the table that they make: from what those of the last run told of their progress.

A run keeps the times of earlier ones in one small file before it removes what their jobs told.
"""

from __future__ import annotations

from pathlib import Path

from imagemake.core.sealed import read_sealed, write_sealed
from imagemake.store.layout import RESULT_TABLES, job_times_file, progress_folder
from imagemake.store.progress import read_progress

LEAST_IMAGES = 10  # in fewer, the time is that of loading packages and networks
MOST_JOBS = 50  # so that a faster measure counts soon


def image_seconds(work: Path) -> dict[str, float]:
    """Return the median seconds per image of the last jobs, by the folder of their tables."""
    return {table: sorted(times)[len(times) // 2] for table, times in _times(work).items()}


def keep_job_times(work: Path) -> None:
    """Keep the times of jobs whose progress is about to be removed."""
    if times := _times(work):
        write_sealed(job_times_file(work), times)


def _times(work: Path) -> dict[str, list[float]]:
    times: dict[str, list[float]] = dict(read_sealed(job_times_file(work)) or {})
    for table in RESULT_TABLES:
        told = map(read_progress, sorted(progress_folder(work).glob(f"{table}-*.json")))
        new = [round(one.seconds / one.done, 4) for one in told if one.done >= LEAST_IMAGES and one.seconds]
        if new:
            times[table] = [*times.get(table, ()), *new][-MOST_JOBS:]
    return times
