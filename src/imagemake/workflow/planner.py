"""Plans a run for Snakemake. What only targets with something to do need is imported once there is one."""

from __future__ import annotations

import sys
from contextlib import chdir
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.config.campaign import Campaign
from imagemake.config.job_settings import JobSettingsFiles
from imagemake.core.errors import exit_on_error
from imagemake.core.garbage import give_back
from imagemake.core.sealed import require_sealed
from imagemake.images.source_files import SourceImages
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.standing import open_batches, standing
from imagemake.plan.state import Stage
from imagemake.plan.target import Target
from imagemake.plugins.weights import save_digests
from imagemake.release.missing import missing_words
from imagemake.release.record import known_counts
from imagemake.store.fallback import kept_elsewhere, take_back
from imagemake.store.layout import IMAGE, STORE, WORK, plans_folder, settings_folder, source_images_file
from imagemake.store.open_calls import OpenCalls
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions
from imagemake.workflow.plan import UP_TO_DATE, Plan
from imagemake.workflow.run_buckets import RunBuckets
from imagemake.workflow.run_lock import active_words
from imagemake.workflow.stopping import stop_while_planning

if TYPE_CHECKING:
    from imagemake.workflow.open_plans import OpenPlans
    from imagemake.workflow.running import Running
    from imagemake.workflow.snakemake_run import SnakemakeRun


class Planner:
    """Plans targets of one campaign, each when it is first requested.

    Args:
        campaign: The campaign.
        run: The process of Snakemake that plans; None if nothing is run.
    """

    def __init__(self, campaign: Campaign, run: SnakemakeRun | None = None) -> None:
        self.campaign = campaign
        self._run = run
        self._folder = run.project if run else Path()
        self._hooked = False
        self._plans: dict[str, Plan] = {}
        self._buckets = RunBuckets(campaign.store, run)
        self._settings_files = JobSettingsFiles(campaign, settings_folder(WORK))

    def settings_file(self, *names: str) -> str:
        """Return the path of a file with some sections of the campaign, for jobs. `plan` writes it."""
        return str(self._folder / self._settings_files.path_of(*names))

    def plan(self, scope: str) -> Plan:
        """Return the plan of a target; the first call prints a summary on standard error and writes its batches.

        Exits without a traceback if the user made a mistake.
        """
        if scope not in self._plans:
            stop_while_planning()
            with exit_on_error(), chdir(self._folder):
                if self._run and self._run.is_real and not self._hooked:
                    self._run.call_hooks(self)
                    self._hooked = True
                self._buckets.bring()
                self._plans[scope] = self._make(scope)
                self._files.save()
                save_digests()
        return self._plans[scope]

    def begin_run(self) -> None:
        """Acquire the run lock, start the spend tracker, and copy reference images. A dry run doesn't call this.

        Exits if another run is active, a disk has no room, or a reference image changed after planning.
        """
        self._running.begin(self._files)
        self.__dict__.pop("_catalog", None)  # all targets are planned, and their jobs may take days
        give_back()

    def missing(self) -> list[str]:
        """Return one line for each planned target that lacks images."""
        scopes = [scope for scope in self._plans if not scope.startswith(IMAGE)]  # the job of one image fails itself
        with chdir(self._folder):
            return [words for scope in scopes if (words := missing_words(scope))]

    def end_run(self, *, crashed: bool) -> None:
        """Send alerts about images that the budget left out, GPUs, and a run that ended with an error."""
        self._running.end(crashed=crashed)

    def batch_here(self, path: str) -> Path:
        """Return the file of a batch on this disk, whose path in Snakemake's storage is given where jobs share none."""
        with exit_on_error():
            return self._buckets.batch_here(path, self._folder)

    @staticmethod
    def batches_in(path: str | Path) -> list[str]:
        """Read the names of a plan's or a later round's batches."""
        with exit_on_error():
            batches: list[str] = require_sealed(Path(path))["batches"]
        return batches

    @cached_property
    def _catalog(self) -> Catalog:
        return Catalog.open(self.campaign.catalog, plans_folder(WORK))

    @property
    def _is_real(self) -> bool:
        return self._run is not None and self._run.is_real

    @cached_property
    def _files(self) -> SourceImages:
        return SourceImages(cache=source_images_file(WORK))

    @cached_property
    def _open_plans(self) -> OpenPlans:
        from imagemake.workflow.open_plans import OpenPlans

        return OpenPlans(self.campaign, self._run, self._buckets, self._settings_files)

    @cached_property
    def _running(self) -> Running:
        from imagemake.workflow.running import Running

        return Running(self.campaign, self._open_plans, self._buckets, self._folder, self._run)

    @cached_property
    def _left_by_earlier_runs(self) -> list[str]:
        """What came of responses that were kept, and of calls in queues. A run asks for them before it is planned."""
        store, lines = Store(STORE, shares=self.campaign.store.team is not None), list[str]()
        if store.unreadable():
            from imagemake.workflow.kept_responses import kept_words, read_kept_responses

            lines += read_kept_responses(self.campaign, store) if self._is_real else kept_words(store)
        if OpenCalls(STORE).all():
            from imagemake.workflow.open_calls import open_calls_words, take_up_open_calls

            lines += take_up_open_calls(self.campaign, store) if self._is_real else open_calls_words(store)
        return lines

    def _make(self, scope: str) -> Plan:
        made_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._take_back()
        target = Target(self.campaign, self._catalog, scope, made_at, files=self._files)
        kept = [*active_words(), *self._left_by_earlier_runs]
        known = known_counts(target, Store(STORE), WORK)
        if known is not None and not (known.get(Stage.HELD) or known.get(Stage.KEPT)):  # else the summary shows why
            still_open = open_batches(target, tuple(Submissions(STORE).all()), ())
            print(standing(target, known), *still_open, *kept, "  Nothing to do.", sep="\n", file=sys.stderr)
            return UP_TO_DATE
        plans = self._open_plans  # imported before the fork, since jobs need most of it
        self._offer_forks()
        return plans.plan(target, kept)

    def _offer_forks(self) -> None:
        """Let jobs start in forks of this process, where they would start on this machine in the same environment.

        What a bucket needs has threads of its own, which forks lack.
        """
        if self._run and self._run.starts_jobs_here and self.campaign.store.share != "everything":
            from imagemake.config.models import load_models
            from imagemake.workflow.fork_server import offer_forks

            load_models(self.campaign.models)  # the plan and most jobs read the built-in table
            offer_forks()

    def _take_back(self) -> None:
        """Move what the store's disk refused in an earlier run into the store; a dry run says what waits."""
        for folder in kept_elsewhere(STORE):
            if self._run and self._run.is_real:
                print(f"  {take_back(STORE):,} responses of an earlier run moved from {folder}.", file=sys.stderr)
            else:
                print(f"  Warning: {folder} has responses of an earlier run. The next run moves them.", file=sys.stderr)
