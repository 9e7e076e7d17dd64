"""Holding a project still: while it is tracked or released, no run may write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imagemake.core.files import FileLock
from imagemake.core.problems import Problem, UserError
from imagemake.store.layout import WORK


@contextmanager
def no_run_at_work() -> Iterator[None]:
    """Hold the lock that a run holds.

    Raises:
        UserError: If a run is at work.
    """
    lock = FileLock(WORK / "run.lock")
    if not lock.acquire(wait=False):
        remedy = "Wait for it, or stop it; nothing is lost by that, and no file must be removed."
        raise UserError(Problem(str(lock.path), "a run is at work in this folder.", remedy))
    try:
        yield
    finally:
        lock.release()
