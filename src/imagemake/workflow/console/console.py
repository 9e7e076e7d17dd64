"""The console of a run: turns Snakemake's events and the progress of the jobs into what the user reads."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from logging import ERROR, WARNING, FileHandler, getLogger
from pathlib import Path
from threading import Event, Thread

from imagemake.store.layout import GENERATED, POSTPROCESSED
from imagemake.store.progress import Progress
from imagemake.store.seen_gpus import seen_gpus
from imagemake.store.whole.shared_work import shared_work
from imagemake.store.whole.work_files import bring_here
from imagemake.workflow.console.failures import error_in, log_text, plain, warnings_in, without_message
from imagemake.workflow.console.jobs import Job, Jobs
from imagemake.workflow.console.outlook import Outlook
from imagemake.workflow.console.screen import Screen, Takeover
from imagemake.workflow.console.standing import Pace, Standing, gpu_words, standing
from imagemake.workflow.console.words import full_line, live_line
from imagemake.workflow.installed import FOLDER
from imagemake.workflow.stopping import is_stopping, same_command

LIVE_EVERY_S, LOOK_EVERY_S, LINE_EVERY_S = 1.0, 5.0, 30.0
MOST_OF_TIME = 0.005  # share of the time that looking at the progress may take
SNAKEMAKE_LOG = Path("logs/snakemake.log")
# Messages of Snakemake about what the console says in its own words.
NOISE = (
    "Assuming unrestricted shared filesystem usage.",
    "Exiting because a job execution failed.",
    "At least one job did not complete successfully.",
    "WorkflowError:\nAt least one job did not complete successfully.",
)

_current: Console | None = None


class Console:
    """What one run shows.

    Args:
        is_dry: Whether nothing is run; then only warnings and errors are shown.
        is_quiet: Whether to show no progress.
        drain: Waits until all events that Snakemake sent so far have been handled.
    """

    def __init__(self, *, is_dry: bool, is_quiet: bool, drain: Callable[[], None]) -> None:
        global _current  # noqa: PLW0603  Snakemake makes it, and the planner of the same process begins it
        _current = self
        self._is_dry = is_dry
        self._is_quiet = is_quiet
        self._drain = drain
        self._folder = Path.cwd()
        # Jobs without a shared disk have a package of their own, so none of its files is sent with the Snakefile.
        self._noise = (*NOISE, f"Ignoring source file {os.path.relpath(FOLDER)}/")
        self._executes = False
        self._screen = Screen(sys.stderr)
        self._takeover: Takeover | None = None
        self._jobs = Jobs()
        self._told: set[str] = set()  # warnings and errors, each once
        self._failed: set[int] = set()  # jobs, unless they were started again
        self._outlook = Outlook()
        self._pace = Pace()
        self._ended = Event()
        self._ticker: Thread | None = None

    def begin(self, outlook: Outlook) -> None:
        """Start to show the progress. Call this in the main thread before the first job, once for each project."""
        self._outlook += outlook
        log = _snakemake_log(self._folder / SNAKEMAKE_LOG)
        if self._takeover is None and log is not None:
            self._takeover = Takeover(log, self._drain)
            self._screen = self._takeover.screen
        if self._ticker is None and not self._is_quiet:
            self._ticker = Thread(target=self._show_progress, daemon=True, name="imagemake console")
            self._ticker.start()

    def end(self) -> None:
        """Give standard error back, and say what a failed run left."""
        global _current  # noqa: PLW0603
        _current = None
        self._ended.set()
        if self._ticker is not None:
            self._ticker.join(1)
        if self._takeover is not None:
            self._takeover.end()
            self._takeover = None
            self._screen = Screen(sys.stderr)
        if self._failed and not is_stopping():
            jobs = "1 job" if len(self._failed) == 1 else f"{len(self._failed):,} jobs"
            self._screen.say(
                f"imagemake: {jobs} failed. No image that arrived is lost. To go on, run again:\n"
                f"  {same_command()}\n  Snakemake's log: {SNAKEMAKE_LOG}"
            )

    def started(self, folder: Path) -> None:
        """Note that Snakemake executes the workflow in a folder, rather than listing rules or the like."""
        self._folder = folder
        self._executes = True

    def job_started(self, number: int, rule: str, outputs: Sequence[str], logs: Sequence[str]) -> None:
        """Note that a job of a rule was started or submitted, with its outputs and logs."""
        self._failed.discard(number)
        if not self._is_dry:
            self._jobs.add(number, Job.of(self._folder, rule, outputs, logs))

    def job_finished(self, number: int) -> None:
        """Show the warnings of a job, and what it says at its end."""
        self._bring(number)
        job = self._jobs.end(number)
        if job is None or job.log is None:
            return
        text = log_text(job.log)
        if job.tells_the_end:
            self._screen.say(text.rstrip("\n"))
        else:
            self._show_warnings(text)

    def job_failed(self, number: int, message: str) -> None:
        """Show the error of a job, in one line.

        Args:
            number: The job's number.
            message: What Snakemake says about it.
        """
        self._bring(number)
        job = self._jobs.end(number)
        if job is None or is_stopping():
            return
        self._failed.add(number)
        text = log_text(job.log) if job.log else ""
        self._show_warnings(text)
        error = error_in(text) or plain(message) or without_message(job.log)
        if error not in self._told:
            self._told.add(error)
            where = f" ({job.log.relative_to(self._folder)})" if job.log else ""
            self._screen.say(f"Failed: {job.rule}: {error}{where}")

    def message(self, level: int, text: str) -> None:
        """Show a message of Snakemake: warnings and errors, and everything if it executes nothing."""
        if text.strip().startswith(self._noise) or (is_stopping() and level >= ERROR):
            return
        if level >= WARNING:
            self._say_once(plain(text))
        elif not self._executes:
            self._screen.say(text)

    def images(self) -> dict[str, int]:
        """Return the number of the run's images by state."""
        progress = self._jobs.progress()
        made, ends = (progress.get(table, Progress()) for table in (GENERATED, POSTPROCESSED))
        plan = self._outlook
        counts = {"wanted": plan.wanted, "generated": made.done, "done": plan.done + ends.done}
        return {
            **counts,
            "review": plan.review + ends.review,
            "failed": plan.given_up + made.failed + ends.failed,
        }

    def _bring(self, number: int) -> None:
        """Get what a job told that shares no disk with this process."""
        job = self._jobs.running.get(number)
        if job is not None and job.is_elsewhere:
            bring_here(shared_work(), self._folder, filter(None, [job.log, job.progress]))

    def _show_warnings(self, log: str) -> None:
        for warning in warnings_in(log):
            self._say_once(warning)

    def _say_once(self, text: str) -> None:
        if text and text not in self._told:
            self._told.add(text)
            self._screen.say(text)

    def _standing(self) -> Standing:
        now = standing(self._outlook, self._jobs.progress(), self._pace, time.monotonic())
        now = replace(now, gpus=gpu_words([gpu for work in self._jobs.work_folders() for gpu in seen_gpus(work)]))
        if is_stopping():
            return replace(now, waits_for=f"stopping, {now.in_flight:,} calls in flight", waits_until=0, left_s=None)
        return now

    def _show_progress(self) -> None:
        every_s = LIVE_EVERY_S if self._screen.is_terminal else LOOK_EVERY_S
        next_line_s = time.monotonic() + LINE_EVERY_S
        took_s = 0.0
        while not self._ended.wait(max(every_s, took_s / MOST_OF_TIME)):
            start = time.thread_time()
            for job in self._jobs.with_news():  # some warnings ask to act while the job still runs
                if job.log is not None and not job.tells_the_end:
                    self._show_warnings(log_text(job.log))
            now = self._standing()
            if self._screen.is_terminal:
                self._screen.show(live_line(now, self._screen.width))
            elif time.monotonic() >= next_line_s:
                next_line_s += LINE_EVERY_S
                self._screen.say(full_line(now, datetime.now()))
            took_s = time.thread_time() - start


def current() -> Console | None:
    """Return the console of this process; None if it has none."""
    return _current


def _snakemake_log(name: Path) -> Path | None:
    """Return Snakemake's log, and give it another name; None if there is no log."""
    for handler in getLogger("snakemake.logging").handlers:
        if isinstance(handler, FileHandler):
            with suppress(OSError):
                name.parent.mkdir(exist_ok=True)
                name.unlink(missing_ok=True)
                name.symlink_to(os.path.relpath(handler.baseFilename, name.parent))
            return Path(handler.baseFilename)
    return None
