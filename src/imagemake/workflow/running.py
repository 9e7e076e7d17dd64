"""What happens around the jobs of a run: before the first one, and after the last one."""

from __future__ import annotations

import atexit
import shutil
import sys
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.config.several_models import workflows_of
from imagemake.config.workflow import template
from imagemake.core.errors import exit_on_error
from imagemake.core.files import FileLock
from imagemake.core.held_gpus import lost_memory
from imagemake.plan.parents import raw_of_parents
from imagemake.plan.repair_masks import masks_to_send
from imagemake.stages.generate.servers.ending import sweep_servers
from imagemake.stages.generate.servers.lease import begin_run, end_run
from imagemake.store.job_times import keep_job_times
from imagemake.store.layout import (
    STORE,
    WORK,
    progress_folder,
    stop_file,
    used_up_folder,
)
from imagemake.store.room import check_folders_of_run
from imagemake.store.sent_images import keep_parents, keep_sent_images
from imagemake.store.spending import spent_in
from imagemake.store.store import Store
from imagemake.store.whole.shared_work import spend_tracker_of
from imagemake.workflow.alerts import AlertSender
from imagemake.workflow.console.console import current
from imagemake.workflow.console.outlook import together
from imagemake.workflow.leftovers import sweep_leftovers
from imagemake.workflow.monitor.monitor import Monitor
from imagemake.workflow.run_lock import acquire_run_lock
from imagemake.workflow.stopping import stop_politely

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.images.source_files import SourceImages
    from imagemake.workflow.open_plans import OpenPlans
    from imagemake.workflow.run_buckets import RunBuckets
    from imagemake.workflow.snakemake_run import SnakemakeRun


class Running:
    """The jobs of one run, as a whole.

    Args:
        campaign: The campaign.
        plans: What they work on.
        buckets: What the run has in buckets.
        folder: The project.
        run: The process of Snakemake; None if nothing is run.
    """

    def __init__(
        self, campaign: Campaign, plans: OpenPlans, buckets: RunBuckets, folder: Path, run: SnakemakeRun | None = None
    ) -> None:
        self.campaign = campaign
        self._plans, self._buckets, self._folder, self._run = plans, buckets, folder, run
        self._run_lock: FileLock | None = None
        self._alerts = AlertSender(campaign.alerts, campaign.campaign, WORK)
        self._monitor: Monitor | None = None

    def begin(self, files: SourceImages) -> None:
        """Acquire the run lock, start the spend tracker, and copy reference images.

        Exits if another run is active, a disk has no room, or a reference image changed after planning.

        Args:
            files: Reference images and masks, as they were planned.
        """
        with exit_on_error(), chdir(self._folder):
            self._run_lock = acquire_run_lock()
            if self._run:
                self._run.prepare_executor()
            stop_politely(WORK, self.campaign.limits.grace_s, self._buckets.place)
            self._begin_servers()
            check_folders_of_run()
            if self.campaign.job_minutes is not None:
                keep_job_times(WORK)
            for folder in (progress_folder(WORK), used_up_folder(WORK)):
                shutil.rmtree(folder, ignore_errors=True)
            self._buckets.begin()
            sweep_leftovers()
            stop_file(WORK).unlink(missing_ok=True)
            self._alerts.begin_run()
            if self.campaign.budget_usd.is_limited:
                spent = spent_in(Store(STORE).journal_folder, self.campaign.campaign)
                spend_tracker_of(STORE, WORK, self.campaign.budget_usd).open(spent)
            store, workflows = Store(STORE), map(template, workflows_of(self.campaign))
            sending = self._plans.sending
            keep_parents(raw_of_parents(sending), masks_to_send(sending), store)
            keep_sent_images((state.recipe for state in sending), files, store, workflows)
            console = current()
            if self.campaign.monitor.is_on:
                images = console.images if console else dict
                self._monitor = Monitor(self.campaign.monitor, self.campaign.campaign, Store(STORE), WORK, images)
                self._monitor.begin()
                atexit.register(self._monitor.end)
        if console:
            console.begin(together(self._plans.outlooks))

    def _begin_servers(self) -> None:
        """Let servers that jobs start last until this process ends, and end those of killed runs."""
        if any(one.server is not None for one in (self.campaign.model, *self.campaign.more_models.values())):
            sweep_servers()
            begin_run()
            atexit.register(end_run, Path.cwd())

    def end(self, *, crashed: bool) -> None:
        """Send alerts about images that the budget left out, GPUs, and a run that ended with an error."""
        with chdir(self._folder):
            for lost in lost_memory() if self._plans.uses_gpus else ():
                print(f"Warning: {lost}.", file=sys.stderr)
                self._alerts.send("gpu", str(lost))
            budget = self.campaign.budget_usd
            self._alerts.send_left_out(len(spend_tracker_of(STORE, WORK, budget).left_out()), budget)
            if crashed:
                self._alerts.send_crash()
            self._buckets.close()
