"""The entry point of jobs that ask models: options, progress, and an alert if no call can succeed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from imagemake.config.job_settings import JobSettings
from imagemake.core.errors import exit_on_error
from imagemake.stages.generate.calls import StoppedError, ToldToStopError
from imagemake.store.items import Item, read_table, write_table
from imagemake.store.progress import JobProgress
from imagemake.workflow.alerts import AlertSender
from imagemake.workflow.job_options import job_options
from imagemake.workflow.job_store import store_for_job


class Ask(Protocol):
    """Asks about the items of a batch."""

    def __call__(
        self,
        items: Sequence[Item],
        job_settings: JobSettings,
        *,
        job: str,
        calls: int,
        store: Path,
        work: Path,
        progress: JobProgress,
    ) -> list[Item]:
        """Return the items in order, with their answers or failures; see `imagemake.stages.judge.job`."""


def run_asking_job(description: str | None, ask: Ask) -> None:
    """Read the options of a job and a batch, ask, and write the outcomes.

    Args:
        description: For ``--help``.
        ask: What the job does.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--batch", type=Path, required=True, help="what to ask about, JSON Lines")
    parser.add_argument("--outcomes", type=Path, required=True, help="file to write the outcomes to, JSON Lines")
    parser.add_argument("--calls", type=int, required=True, help="calls in flight")
    parser.add_argument("--settings", type=Path, required=True, help="sections of the campaign, JSON")
    options = job_options(parser)
    with exit_on_error():
        job_settings = JobSettings.read(options.settings)
        items = read_table(options.batch)
        progress = JobProgress(options.work, options.outcomes, len(items))
        given = {"job": options.batch.stem, "calls": options.calls, "store": options.store, "work": options.work}
        try:
            with store_for_job(job_settings.store, options.store, options.work, given["job"], items, asks=True):
                asked = ask(items, job_settings, **given, progress=progress)
        except StoppedError as error:
            if not isinstance(error, ToldToStopError):
                AlertSender(job_settings.alerts, job_settings.campaign, options.work).send("stopped", error.in_words())
            raise
        write_table(options.outcomes, asked)
