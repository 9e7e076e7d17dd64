"""The lock that allows one run per project folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from imagemake.core.files import FileLock
from imagemake.core.problems import Problem, UserError
from imagemake.store.layout import WORK, run_lock_file

LOOK_S = 0.05  # for which a plan that looks at the lock may have it, at most


def acquire_run_lock() -> FileLock:
    """Acquire the run lock; it is released when the process ends.

    Raises:
        UserError: If another run holds it.
    """
    lock = FileLock(run_lock_file(WORK))
    for _ in range(2):
        if lock.acquire(wait=False):
            return lock
        time.sleep(LOOK_S)
    what = "Another run is active in this folder."
    remedy = "Wait for it to end, or stop it. Stopping loses nothing, and you don't need to remove any file."
    raise UserError(Problem(str(lock.path), what, remedy))


def active_words() -> list[str]:
    """Return a line for a plan that is made while a run is active; it sees the run's calls without their answers."""
    is_active = FileLock(run_lock_file(WORK)).is_held()
    what = "Another run is active in this folder. Its calls in flight count here as calls without an answer."
    return [f"  {what}"] if is_active else []


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
