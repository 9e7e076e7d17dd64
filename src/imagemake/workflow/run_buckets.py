"""What a run has in buckets: the store, and ``work/`` for jobs that share no disk."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.problems import Problem, UserError
from imagemake.store.layout import STORE, WORK, batch_file
from imagemake.store.whole import work_files
from imagemake.store.whole.attaching import attached
from imagemake.store.whole.shared_work import VARIABLE, shared_work

if TYPE_CHECKING:
    from imagemake.config.remotes import SharedStore
    from imagemake.store.remote.storage import Storage
    from imagemake.workflow.snakemake_run import SnakemakeRun


class RunBuckets:
    """The buckets of one run. All does nothing for a run without them.

    Args:
        settings: Section ``store`` of the configuration.
        run: The process of Snakemake that plans; None if nothing is run.
    """

    def __init__(self, settings: SharedStore, run: SnakemakeRun | None) -> None:
        self._settings, self._run = settings, run
        self._is_brought = False
        self._ending = ExitStack()

    @cached_property
    def place(self) -> Storage | None:
        """Where jobs find ``work/`` if they share no disk."""
        if self._run is None or self._run.work_address is None:
            return None
        os.environ[VARIABLE] = self._run.work_address
        return shared_work()

    def bring(self) -> None:
        """Bring the store and the tables here, once. This folder is then the store's copy until the process ends.

        Raises:
            UserError: If jobs share no disk, and the store is on this one only.
            PlaceError: If a bucket cannot be used.
        """
        if self._is_brought:
            return
        self._is_brought, is_real = True, self._run is not None and self._run.is_real
        if self.place is not None and self._settings.whole is None:
            what = "jobs share no disk, and the store is in this folder only."
            remedy = "Set store: {remote: s3://bucket/prefix, share: everything}, or run without a default storage."
            raise UserError(Problem("--default-storage-provider", what, remedy))
        atexit.register(self.close)
        whole = self._ending.enter_context(attached(self._settings, STORE, "run", writes=is_real))
        if whole is not None:
            from imagemake.store.whole.copying import copy_both_ways

            copied = copy_both_ways(whole, sends=is_real)
            if copied.sent or copied.brought:
                sent = f", {copied.sent:,} sent there" if copied.sent else ""
                print(f"  {copied.brought:,} files brought from {self._settings.whole}{sent}.", file=sys.stderr)
        if self.place is not None:
            work_files.bring_tables(self.place, WORK)

    def begin(self) -> None:
        """Let the console have the progress of jobs that run elsewhere. Call this before the first job."""
        work_files.clear_progress(self.place, WORK)
        self._ending.enter_context(work_files.bringing_progress(self.place, WORK.absolute()))

    def close(self) -> None:
        """Give back all claims."""
        self._ending.close()

    def batch_here(self, path: str, project: Path) -> Path:
        """Return the file of a batch on this disk, and bring it if it is not there.

        Args:
            path: As Snakemake knows it.
            project: Folder of the project.
        """
        if self.place is None:
            return Path(path)
        here = project / batch_file(WORK, Path(path).stem)
        if not here.exists():
            work_files.bring_batch(self.place, WORK, here)
        return here

    def share_batches(self, batches: Iterable[str]) -> None:
        """Give jobs the files of batches."""
        if self.place is not None:
            work_files.share_batches(self.place, WORK, batches)

    def share_settings(self, files: Iterable[Path]) -> None:
        """Give jobs the files of their settings."""
        if self.place is not None:
            work_files.share_settings(self.place, WORK, files)
