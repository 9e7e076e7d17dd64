"""Plans a run for Snakemake: compares requests with the store, writes the batches, and prints a summary."""

from __future__ import annotations

import atexit
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import chdir, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from imagemake.config.campaign import Campaign
from imagemake.config.job_settings import JobSettingsFiles
from imagemake.config.several_models import settings_of, workflows_of
from imagemake.config.workflow import template
from imagemake.core.errors import exit_on_error
from imagemake.core.files import FileLock, make_own
from imagemake.core.gpus import cards
from imagemake.core.held_gpus import lost_memory
from imagemake.core.problems import UserError
from imagemake.core.sealed import require_sealed
from imagemake.images.source_files import SourceImages
from imagemake.plan.batches import open_states, write_batches
from imagemake.plan.gates import AWAITING_APPROVAL, check_gates
from imagemake.plan.inventory import Inventory
from imagemake.plan.parents import raw_of_parents, waiting_in, waits_for_person
from imagemake.plan.repair_masks import masks_to_send
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.requests.families import generations
from imagemake.plan.requests.request import Request
from imagemake.plan.routing import most_attempts, routing_lines
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.part import Part
from imagemake.plan.settled.recall import recall
from imagemake.plan.state import Stage, State
from imagemake.plan.summary import open_batches, standing, summary
from imagemake.plan.target import Target
from imagemake.plan.waiting import let_wait
from imagemake.plugins.weights import save_digests
from imagemake.release.manifest.entries import Entries
from imagemake.release.metrics.metrics import metrics_of
from imagemake.release.missing import missing_words
from imagemake.release.record import is_current, known_counts, outputs_of, upgrade_words
from imagemake.stages.generate.servers.ending import sweep_servers
from imagemake.stages.generate.servers.lease import begin_run, end_run
from imagemake.stages.postprocess.check import check_steps
from imagemake.store.fallback import kept_elsewhere, take_back
from imagemake.store.layout import (
    IMAGE,
    LOGS,
    RESULTS,
    STORE,
    TABLES,
    WORK,
    progress_folder,
    settings_folder,
    source_images_file,
    stop_file,
    used_up_folder,
)
from imagemake.store.room import check_folder
from imagemake.store.sent_images import keep_parents, keep_sent_images
from imagemake.store.spending import spent_in
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions
from imagemake.store.tables import damaged_words, discard_damaged
from imagemake.store.team.asking import keys_of_team, unshared_words
from imagemake.store.whole.shared_work import spend_tracker_of
from imagemake.workflow.alerts import AlertSender, check_alerts
from imagemake.workflow.console.console import current
from imagemake.workflow.console.outlook import Outlook, together
from imagemake.workflow.console.planned import outlook_of
from imagemake.workflow.kept_responses import kept_words, read_kept_responses
from imagemake.workflow.leftovers import sweep_leftovers
from imagemake.workflow.moderating import moderate
from imagemake.workflow.monitor.monitor import Monitor, check_monitor
from imagemake.workflow.open_calls import open_calls_words, take_up_open_calls
from imagemake.workflow.preflight.credentials import check_credentials, dropped_credentials
from imagemake.workflow.preflight.measures import (
    check_comparisons,
    check_overrides,
    check_packages,
    missing_keys,
)
from imagemake.workflow.preflight.model_files import check_model_files
from imagemake.workflow.preflight.models import check_models
from imagemake.workflow.preflight.servers import server_lines
from imagemake.workflow.run_buckets import RunBuckets
from imagemake.workflow.run_lock import acquire_run_lock
from imagemake.workflow.snakemake_run import SnakemakeRun
from imagemake.workflow.stopping import stop_politely

SPARE_ROUNDS = 2  # for images that turn out to be damaged during the run


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one target, as the rules see it.

    Attributes:
        run: ID of the plan, 16 hexadecimal digits.
        inputs: The plan's path, or nothing if the target is up to date.
        batches: Batches of the first round.
        last_round: Highest possible number of a later round, from 1; the first round is not counted.
    """

    run: str
    inputs: tuple[str, ...]
    batches: tuple[str, ...]
    last_round: int


UP_TO_DATE = Plan("", (), (), 0)


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
        self._claimed: dict[tuple[str, str], str] = {}  # batch by stage and key, across all targets
        self._open: list[State] = []  # across all targets
        self._outlooks: list[Outlook] = []  # one for each target
        self._run_lock: FileLock | None = None
        self._alerts = AlertSender(campaign.alerts, campaign.campaign, WORK)
        self._monitor: Monitor | None = None
        self._uses_gpus = False
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
        with exit_on_error(), chdir(self._folder):
            self._run_lock = acquire_run_lock()
            if self._run:
                self._run.prepare_executor()
            stop_politely(WORK, self.campaign.limits.grace_s, self._buckets.place)
            self._begin_servers()
            for folder in (STORE, WORK, RESULTS, LOGS):
                check_folder(folder, "a run needs")
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
            keep_parents(raw_of_parents(self._open), masks_to_send(self._open), store)
            keep_sent_images((state.recipe for state in self._open), self._files, store, workflows)
            console = current()
            if self.campaign.monitor.is_on:
                images = console.images if console else dict
                self._monitor = Monitor(self.campaign.monitor, self.campaign.campaign, Store(STORE), WORK, images)
                self._monitor.begin()
                atexit.register(self._monitor.end)
        if console:
            console.begin(together(self._outlooks))

    def _begin_servers(self) -> None:
        """Let servers that jobs start last until this process ends, and end those of killed runs."""
        if any(one.server is not None for one in (self.campaign.model, *self.campaign.more_models.values())):
            sweep_servers()
            begin_run()
            atexit.register(end_run, Path.cwd())

    def missing(self) -> list[str]:
        """Return one line for each planned target that lacks images."""
        scopes = [scope for scope in self._plans if not scope.startswith(IMAGE)]  # the job of one image fails itself
        with chdir(self._folder):
            return [words for scope in scopes if (words := missing_words(scope))]

    def end_run(self, *, crashed: bool) -> None:
        """Send alerts about images that the budget left out, GPUs, and a run that ended with an error."""
        with chdir(self._folder):
            for lost in lost_memory() if self._uses_gpus else ():
                print(f"Warning: {lost}.", file=sys.stderr)
                self._alerts.send("gpu", str(lost))
            budget = self.campaign.budget_usd
            self._alerts.send_left_out(len(spend_tracker_of(STORE, WORK, budget).left_out()), budget)
            if crashed:
                self._alerts.send_crash()
            self._buckets.close()

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
        return Catalog.open(self.campaign.catalog)

    @property
    def _is_real(self) -> bool:
        return self._run is not None and self._run.is_real

    @cached_property
    def _files(self) -> SourceImages:
        return SourceImages(cache=source_images_file(WORK))

    @cached_property
    def _inventory(self) -> Inventory:
        return Inventory(Store(STORE), WORK)

    @cached_property
    def _kept_responses(self) -> list[str]:
        """What came of responses that were kept, and of calls in queues. A run asks for them before it is planned."""
        store = Store(STORE, shares=self.campaign.store.team is not None)
        if not self._is_real:
            return [*kept_words(store), *open_calls_words(store)]
        return [*read_kept_responses(self.campaign, store), *take_up_open_calls(self.campaign, store)]

    def _make(self, scope: str) -> Plan:
        made_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._take_back()
        target = Target(self.campaign, self._catalog, scope, made_at, files=self._files)
        kept = self._kept_responses
        known = known_counts(target, Store(STORE), WORK)
        if known is not None and not (known.get(Stage.HELD) or known.get(Stage.KEPT)):  # else the summary shows why
            still_open = open_batches(target, tuple(Submissions(STORE).all()), ())
            print(standing(target, known), *still_open, *kept, "  Nothing to do.", sep="\n", file=sys.stderr)
            return UP_TO_DATE
        part = recall(target, Store(STORE), WORK)
        if part is not None:
            with suppress(NotRememberedError):
                return self._plan(target, part, kept)
        return self._plan(target, Part.whole(target, self._inventory), kept)

    def _plan(self, target: Target, part: Part, kept: Sequence[str]) -> Plan:
        """Plan a target by the part of it that needs a look.

        Raises:
            NotRememberedError: If that depends on the rest of it.
        """
        scope, inventory = target.scope, part.inventory
        if not self._is_real and self.campaign.limits.unfetched == "retry":
            inventory.kept = frozenset()  # what other attempts cost, if the URLs still do not answer
        if damaged := discard_damaged((WORK / folder for folder in TABLES), part.tables):
            print(f"  Warning: {damaged_words(damaged)}.", file=sys.stderr)
        check_comparisons(part.target.requests, self.campaign)
        try:
            check_overrides(part.target.everything, self.campaign)
        except UserError:
            if part.settled:
                raise NotRememberedError from None  # a rule may apply to other rows
            raise
        states, open_ones = self._states(part)
        to_generate = [state for state in open_ones if state.stage is Stage.GENERATE]
        to_check = [*to_generate, *waiting_in(states, part.target.names)] if to_generate else []
        if open_ones:
            check_packages(self.campaign)
            check_steps(self.campaign.postprocess)
        check_model_files(to_check, self.campaign)
        warnings = check_models(to_check, self.campaign, target.files.by_path, datetime.now(UTC).date())
        warnings += dropped_credentials(to_generate, self.campaign)
        if to_generate:
            check_gates(self.campaign, scope, self.figures_of)
        if open_ones:
            warnings += [*missing_keys(self.campaign), *check_alerts(self.campaign.alerts)]
            check_monitor(self.campaign.monitor)
        current = not open_ones and is_current(target, states, part.shown(states))
        if not current:
            warnings += check_credentials(self.campaign)
        shared = keys_of_team(self.campaign.store, (state.recipe for state in to_generate), warnings.append)
        due = [] if current else upgrade_words(scope)
        to_buy = [state for state in to_generate if state.key not in shared and not state.is_submitted]
        modes = [*let_wait(to_buy, self.campaign, scope), *server_lines(to_buy, self.campaign)]
        words = summary(part.target, states, open_ones, inventory, shared, is_current=current, n_settled=part.n_settled)
        print(words, *routing_lines(to_buy, inventory.journal), *modes, *due, *kept, sep="\n", file=sys.stderr)
        warnings += unshared_words(self.campaign.store, inventory.store)
        for warning in warnings:
            print(f"  Warning: {warning}", file=sys.stderr)
        if current:
            return UP_TO_DATE
        self._open += open_ones
        self._limit_gpus(open_ones)
        if self._is_real:
            self._outlooks.append(
                outlook_of(states, open_ones, self.campaign, inventory, shared, n_settled=part.n_settled)
            )
        for output in outputs_of(scope):
            make_own(output)  # Snakemake cannot replace read-only files, such as DVC's hard links
        self._settings_files.write()
        self._buckets.share_settings(self._settings_files.paths)
        batches = self._write_batches(open_ones, inventory)
        return self._write_plan(replace(target, batches=batches), part.target.requests)

    def _write_plan(self, target: Target, requests: Sequence[Request]) -> Plan:
        run, path = target.write(WORK)
        per_attempt = 2 if self.campaign.attempts.rewrite else 1  # its prompt is a round before its image
        rounds = most_attempts(self.campaign) * per_attempt * len(generations(requests)) - 1
        return Plan(run, (str(path),), target.batches, rounds + SPARE_ROUNDS)

    def _limit_gpus(self, open_ones: Iterable[State]) -> None:
        models = {state.request.model for state in open_ones}
        if self._run and any(settings_of(label, self.campaign).local_device == "gpu" for label in models):
            self._uses_gpus = True
            self._run.limit_gpus(lambda: len(cards()))

    def _states(self, part: Part) -> tuple[list[State], list[State]]:
        """Return where the requests stand, and what is open, once its prompts are moderated. A dry run asks nothing."""
        again = True
        while again:
            states = part.states()
            open_ones = open_states(states, part.target.names)
            to_make = [*open_ones, *waiting_in(states, part.target.names)]
            again = self._is_real and moderate(to_make, self.campaign, part.inventory, WORK, begins=True)
        return states, open_ones

    def _take_back(self) -> None:
        """Move what the store's disk refused in an earlier run into the store; a dry run says what waits."""
        for folder in kept_elsewhere(STORE):
            if self._run and self._run.is_real:
                print(f"  {take_back(STORE):,} responses of an earlier run moved from {folder}.", file=sys.stderr)
            else:
                print(f"  Warning: {folder} has responses of an earlier run. The next run moves them.", file=sys.stderr)

    def figures_of(self, stage: str) -> Mapping[str, Any]:
        """Return a stage's metrics, based on what is in the store now, and how many images wait for reviews."""
        # A gate applies to the whole stage: `only` narrows a run, not its gate.
        target = Target(self.campaign.model_copy(update={"only": ()}), self._catalog, stage, "", files=self._files)
        states = target.states(self._inventory)
        of_state = Entries(target, self._inventory.store, (), states)
        metrics = metrics_of(map(of_state.entry, states), of_state.asked, of_state.rewrites)
        awaiting = sum(state.stage is Stage.WAITING and waits_for_person(state) for state in states)
        return {**metrics, AWAITING_APPROVAL: awaiting}

    def _write_batches(self, open_ones: list[State], inventory: Inventory) -> tuple[str, ...]:
        new = [state for state in open_ones if (state.stage, state.key) not in self._claimed]
        written = write_batches(new, self.campaign, inventory, WORK)
        self._buckets.share_batches([batch.id for batch in written])
        for batch in written:
            for item in batch.items:
                self._claimed[batch.id.partition("-")[0], item.key] = batch.id
        # Sorted and unique: another target of this run may have claimed some batches.
        return tuple(sorted({self._claimed[state.stage, state.key] for state in open_ones}))
