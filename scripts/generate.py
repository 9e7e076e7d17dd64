"""Generate the images of a batch and put them into the store; see `imagemake.stages.generate.job`."""

import argparse
from functools import partial
from pathlib import Path

from imagemake.config.job_settings import JobSettings
from imagemake.core.errors import exit_on_error
from imagemake.stages.generate.calls import StoppedError, ToldToStopError
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.items import read_table, write_table
from imagemake.store.progress import JobProgress
from imagemake.workflow.alerts import AlertSender
from imagemake.workflow.job_options import job_options
from imagemake.workflow.job_store import store_for_job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=Path, required=True, help="requests, JSON Lines")
    parser.add_argument("--outcomes", type=Path, required=True, help="file to write the outcomes to, JSON Lines")
    parser.add_argument("--calls", type=int, required=True, help="calls in flight; 0 to only collect batches")
    parser.add_argument("--settings", type=Path, required=True, help="sections of the campaign, JSON")
    options = job_options(parser)
    with exit_on_error():
        job_settings = JobSettings.read(options.settings)
        alerts = AlertSender(job_settings.alerts, job_settings.campaign, options.work)
        batch = read_table(options.batch)
        progress = JobProgress(options.work, options.outcomes, len(batch))
        try:
            with store_for_job(job_settings.store, options.store, options.work, options.batch.stem, batch):
                items = generate_for_job(
                    batch,
                    job_settings,
                    job=options.batch.stem,
                    calls=options.calls,
                    store=options.store,
                    work=options.work,
                    progress=progress,
                    alert=partial(alerts.send, "gpu"),
                )
        except StoppedError as error:
            if not isinstance(error, ToldToStopError):
                alerts.send("stopped", error.in_words())
            raise
        done = sum(item.raw is not None for item in items)
        progress.end(done=done, failed=len(items) - done)
        write_table(options.outcomes, items)


if __name__ == "__main__":
    main()
