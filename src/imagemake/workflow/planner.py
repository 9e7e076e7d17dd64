"""Planning for Snakemake: reads what is wanted and what there is, writes the batches, and says what will be done."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from imagemake.config.campaign import Campaign
from imagemake.core.files import FileLock, make_own, write_whole
from imagemake.core.problems import exit_on_mistakes
from imagemake.images.source_files import SourceImages
from imagemake.plan.batches import ID_DIGITS, open_states, write_batches
from imagemake.plan.gates import check_gates
from imagemake.plan.inventory import Inventory
from imagemake.plan.requests.catalog import Row, read_catalog
from imagemake.plan.state import Stage, State
from imagemake.plan.summary import open_batches, standing, summary
from imagemake.plan.target import Target
from imagemake.release.manifest.entries import Entries
from imagemake.release.metrics.metrics import metrics_of
from imagemake.release.record import is_current, known_counts, outputs_of
from imagemake.stages.postprocess.check import check_steps
from imagemake.store.journal import read_calls
from imagemake.store.layout import STORE, WORK
from imagemake.store.sent_images import keep_sent_images
from imagemake.store.spending import SpendTracker, spent_usd
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions
from imagemake.store.team.asking import keys_of_team, unshared_words
from imagemake.workflow.alerts import Alarm, check_alerts
from imagemake.workflow.preflight.credentials import check_credentials
from imagemake.workflow.preflight.measures import check_comparisons, check_overrides, check_packages
from imagemake.workflow.preflight.models import check_models
from imagemake.workflow.process import let_sigterm_wait

SPARE_ROUNDS = 2  # for images that are found damaged on the way


@dataclass(frozen=True, slots=True)
class Plan:
    """What a target needs done, as the rules see it.

    Attributes:
        run: Names the plan; 16 hexadecimal digits.
        inputs: The plan's file, or nothing where the target is up to date.
        batches: Of the first round.
        last_round: Number of the last round that there can be, from 1; the first is not counted.
    """

    run: str
    inputs: tuple[str, ...]
    batches: tuple[str, ...]
    last_round: int


UP_TO_DATE = Plan("", (), (), 0)


class Planner:
    """Plans targets of one campaign, each when it is first asked for.

    Args:
        campaign: What is wanted.
    """

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self._plans: dict[str, Plan] = {}
        self._claimed: dict[tuple[str, str], str] = {}  # batch by stage and key, over all targets of this process
        self._open: list[State] = []  # of all targets of this process
        self._run_lock = FileLock(WORK / "run.lock")
        self._alarm = Alarm(campaign.alerts, campaign.campaign, WORK)

    def plan(self, scope: str) -> Plan:
        """Plan a target, say so on standard error, and write its batches; the second time, only return it.

        A user's mistakes end the program here, without a traceback.
        """
        if scope not in self._plans:
            with exit_on_mistakes():
                self._plans[scope] = self._make(scope)
            self._files.save()
        return self._plans[scope]

    def begin_run(self) -> None:
        """Hold the folder for this process, open the purse, and keep what will be sent; a dry run does none of it.

        Ends the program where another run holds the folder, or a reference image changed since it was planned.
        """
        if not self._run_lock.acquire(wait=False):
            sys.exit(
                f"Another run is at work in this folder ({self._run_lock.path} is locked). Wait for it, or stop it; "
                "nothing is lost by that, and no file must be removed."
            )
        let_sigterm_wait()
        self._alarm.begin_run()
        if self.campaign.budget_usd.is_limited:
            spent = spent_usd(read_calls(Store(STORE).journal_folder), self.campaign.campaign)
            SpendTracker(WORK / "spending.json", self.campaign.budget_usd).open(spent)
        with exit_on_mistakes():
            keep_sent_images((state.recipe for state in self._open), self._files, Store(STORE))

    def tell_crash(self) -> None:
        """Tell whoever is to be told that the run ended with an error."""
        self._alarm.tell("crashed", "The run ended with an error. Its log tells which; run it again to go on.")

    @staticmethod
    def batches_in(path: str) -> list[str]:
        """Read the batches of a plan or of a later round."""
        batches: list[str] = orjson.loads(Path(path).read_bytes())["batches"]
        return batches

    @cached_property
    def _rows(self) -> list[Row]:
        return read_catalog(Path(self.campaign.catalog))

    @cached_property
    def _files(self) -> SourceImages:
        return SourceImages(cache=WORK / "images.json")

    @cached_property
    def _inventory(self) -> Inventory:
        return Inventory(Store(STORE), WORK)

    def _make(self, scope: str) -> Plan:
        made_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        target = Target(self.campaign, self._rows, scope, made_at, files=self._files)
        known = known_counts(target, Store(STORE), WORK)
        if known is not None and not known.get(Stage.HELD):  # what is held is told with what it may have cost
            still_open = open_batches(target, tuple(Submissions(STORE).all()), ())
            print(standing(target, known), *still_open, "  Nothing to make.", sep="\n", file=sys.stderr)
            return UP_TO_DATE
        check_comparisons(target.requests, self.campaign)
        check_overrides(target.everything, self.campaign)
        states = target.states(self._inventory)
        open_ones = open_states(states, target.names)
        to_generate = [state for state in open_ones if state.stage is Stage.GENERATE]
        if open_ones:
            check_packages(self.campaign)
            check_steps(self.campaign.postprocess)
        warnings = check_models(to_generate, self.campaign, target.files.by_path, datetime.now(UTC).date())
        if to_generate:
            check_gates(self.campaign, scope, self.figures_of)
        if open_ones:
            warnings += check_alerts(self.campaign.alerts)
        current = not open_ones and is_current(target, states)
        if not current:
            warnings += check_credentials(self.campaign)
        shared = keys_of_team(self.campaign.store, (state.recipe for state in to_generate), warnings.append)
        print(summary(target, states, open_ones, self._inventory, shared), file=sys.stderr)
        warnings += unshared_words(self.campaign.store, self._inventory.store)
        for warning in warnings:
            print(f"  Warning: {warning}", file=sys.stderr)
        if current:
            return UP_TO_DATE
        self._open += open_ones
        for output in outputs_of(scope):
            make_own(output)  # Snakemake refuses to replace what may not be written, as DVC's hard links may not
        target = replace(target, batches=self._write_batches(open_ones))
        content = target.to_json()
        run = hashlib.sha256(content).hexdigest()[:ID_DIGITS]
        path = WORK / "plans" / f"{run}.json"
        write_whole(path, content)
        return Plan(run, (str(path),), target.batches, self.campaign.attempts.most - 1 + SPARE_ROUNDS)

    def figures_of(self, stage: str) -> Mapping[str, Any]:
        """Return what a stage came to, by what is there now."""
        # Of the whole pilot: `only` narrows a run, not what was demanded before it.
        target = Target(self.campaign.model_copy(update={"only": ()}), self._rows, stage, "", files=self._files)
        of_state = Entries(target, self._inventory.store, ())
        return metrics_of(of_state.entry(state) for state in target.states(self._inventory))

    def _write_batches(self, open_ones: list[State]) -> tuple[str, ...]:
        new = [state for state in open_ones if (state.stage, state.key) not in self._claimed]
        for batch in write_batches(new, self.campaign, self._inventory, WORK):
            for item in batch.items:
                self._claimed[batch.id.partition("-")[0], item.key] = batch.id
        # Sorted, each once: another target of this run may have claimed some.
        return tuple(sorted({self._claimed[state.stage, state.key] for state in open_ones}))
