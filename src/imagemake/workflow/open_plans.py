"""Plans targets with something to do: looks at their requests, checks what is open, and writes its batches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from imagemake.config.several_models import settings_of
from imagemake.core.files import make_own
from imagemake.core.gpus import cards
from imagemake.core.problems import UserError
from imagemake.plan.batches import job_lines, open_states, stage_of, write_batches
from imagemake.plan.gates import check_gates
from imagemake.plan.inventory import Inventory
from imagemake.plan.parents import waiting_in
from imagemake.plan.requests.families import generations
from imagemake.plan.requests.request import Request
from imagemake.plan.reviews import REVIEWS
from imagemake.plan.routing import most_attempts, routing_lines
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.part import Part
from imagemake.plan.settled.recall import recall
from imagemake.plan.settled.settling import settled_part
from imagemake.plan.state import Stage, State
from imagemake.plan.summary import summary
from imagemake.plan.target import Target
from imagemake.plan.unknown_decisions import unknown_decisions
from imagemake.plan.waiting import let_wait
from imagemake.release.current import is_current, outputs_of
from imagemake.release.gate_figures import figures_of_stage
from imagemake.release.record import upgrade_words
from imagemake.stages.postprocess.check import check_steps
from imagemake.store.layout import STORE, TABLES, WORK, batch_file
from imagemake.store.store import Store
from imagemake.store.tables import damaged_words, discard_damaged, read_rows
from imagemake.store.team.asking import keys_of_team, unshared_words
from imagemake.workflow.alerts import check_alerts
from imagemake.workflow.console.outlook import Outlook
from imagemake.workflow.console.planned import outlook_of
from imagemake.workflow.moderating import moderate
from imagemake.workflow.monitor.monitor import check_monitor
from imagemake.workflow.plan import UP_TO_DATE, Plan
from imagemake.workflow.preflight.credentials import check_credentials, dropped_credentials
from imagemake.workflow.preflight.measures import check_comparisons, check_overrides, check_packages, missing_keys
from imagemake.workflow.preflight.model_files import check_model_files
from imagemake.workflow.preflight.models import check_models
from imagemake.workflow.preflight.servers import server_lines

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.job_settings import JobSettingsFiles
    from imagemake.workflow.run_buckets import RunBuckets
    from imagemake.workflow.snakemake_run import SnakemakeRun

SPARE_ROUNDS = 2  # for images that turn out to be damaged during the run


class OpenPlans:
    """Plans the targets of one campaign that have something to do.

    Args:
        campaign: The campaign.
        run: The process of Snakemake that plans; None if nothing is run.
        buckets: What the run has in buckets.
        settings_files: Files with sections of the campaign, for jobs.

    Attributes:
        sending: What is open and sends files, across all targets; no more, since a run lasts long.
        outlooks: What a run will do, one for each target.
        uses_gpus: Whether a model computes on GPUs of this machine.
    """

    def __init__(
        self, campaign: Campaign, run: SnakemakeRun | None, buckets: RunBuckets, settings_files: JobSettingsFiles
    ) -> None:
        self.campaign = campaign
        self._run, self._buckets, self._settings_files = run, buckets, settings_files
        self._is_real = run is not None and run.is_real
        self._claimed: dict[tuple[str, str], str] = {}  # batch by stage and key, across all targets
        self._unread: list[str] = []  # batches that are not among these yet, since few runs plan a second target
        self.sending: list[State] = []
        self.outlooks: list[Outlook] = []
        self.uses_gpus = False

    def plan(self, target: Target, kept: Sequence[str]) -> Plan:
        """Plan a target: print a summary on standard error and write its batches.

        Args:
            target: The target.
            kept: Lines about what earlier runs left.

        Raises:
            UserError: If the user made a mistake.
        """
        finds: tuple[Callable[[], Part | None], ...] = (
            lambda: recall(target, Store(STORE), WORK),
            lambda: settled_part(target, self._inventory),
        )
        for find in finds:
            with suppress(NotRememberedError):
                if (part := find()) is not None:
                    return self._plan(target, part, kept)
        return self._plan(target, Part.whole(target, self._inventory), kept)

    @cached_property
    def _inventory(self) -> Inventory:
        return Inventory(Store(STORE), WORK)

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
            check_gates(self.campaign, scope, lambda stage: figures_of_stage(stage, target, self._inventory))
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
        warnings += unknown_decisions(REVIEWS, states, inventory.store, lambda: target.everything)
        for warning in warnings:
            print(f"  Warning: {warning}", file=sys.stderr)
        if current:
            return UP_TO_DATE
        self.sending += [state for state in open_ones if state.recipe.files]
        self._limit_gpus(open_ones)
        if self._is_real:
            self.outlooks.append(
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
            self.uses_gpus = True
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

    def _write_batches(self, open_ones: list[State], inventory: Inventory) -> tuple[str, ...]:
        for batch in self._unread:
            self._claimed |= {(stage_of(batch), row["key"]): batch for row in read_rows(batch_file(WORK, batch))}
        new = [state for state in open_ones if (state.stage, state.key) not in self._claimed]
        written = write_batches(new, self.campaign, inventory, WORK)
        if self.campaign.job_minutes is not None:
            print(*job_lines(written), sep="\n", file=sys.stderr)
        self._unread = [batch.id for batch in written]
        self._buckets.share_batches(self._unread)
        claimed = (self._claimed.get((state.stage, state.key)) for state in open_ones)
        return tuple(sorted({*filter(None, claimed), *self._unread}))
