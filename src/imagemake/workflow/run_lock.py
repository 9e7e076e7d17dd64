"""The lock that allows one run per project folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imagemake.core.files import FileLock
from imagemake.core.problems import Problem, UserError
from imagemake.store.layout import WORK, run_lock_file


def acquire_run_lock() -> FileLock:
    """Acquire the run lock; it is released when the process ends.

    Raises:
        UserError: If another run holds it.
    """
    lock = FileLock(run_lock_file(WORK))
    if not lock.acquire(wait=False):
        what = "Another run is active in this folder."
        remedy = "Wait for it to end, or stop it. Stopping loses nothing, and you don't need to remove any file."
        raise UserError(Problem(str(lock.path), what, remedy))
    return lock


@contextmanager
def hold_run_lock() -> Iterator[None]:
    """Hold the run lock, so that no run writes while a command tracks, releases, or reproduces.

    Raises:
        UserError: If a run is active.
    """
    lock = acquire_run_lock()
    try:
        yield
    finally:
        lock.release()
