"""What a run sweeps: half-written files and locks that killed processes leave, and the plans of earlier runs."""

from __future__ import annotations

import os
import time

from imagemake.core.file_stamp import RACY_NS
from imagemake.core.files import sweep_unfinished
from imagemake.store.layout import RESULTS, STORE, WORK, plans_folder, swept_file
from imagemake.store.open_calls import OpenCalls
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions

PLANS_S = 86_400.0  # how long a plan stays: only its own run reads it, but others can be planned meanwhile


def sweep_leftovers() -> None:
    """Delete leftovers in ``work/``, ``store/``, and ``results/``; those of live processes are left alone.

    Call this with the lock of runs.
    """
    began, mark = time.time(), swept_file(WORK)
    last = mark.stat().st_mtime - RACY_NS / 1e9 if mark.exists() else 0.0
    n_left = sum(sweep_unfinished(folder, unchanged_since=last).left for folder in (WORK, STORE, RESULTS))
    for path in plans_folder(WORK).glob("*"):
        if path.stat().st_mtime < began - PLANS_S:
            path.unlink()
    Store(STORE).sweep_claims()
    Submissions(STORE).sweep_locks()
    OpenCalls(STORE).sweep(Store(STORE).claim)
    if not n_left:  # else the next run looks where this one did
        mark.touch()
        os.utime(mark, (began, began))
