"""Ask for the prompts of a batch and put them into the store; see `imagemake.stages.rewrite.job`."""

import argparse
from pathlib import Path

from imagemake.config.job_settings import JobSettings
from imagemake.core.errors import exit_on_error
from imagemake.stages.generate.calls import StoppedError, ToldToStopError
from imagemake.stages.rewrite.job import rewrite_for_job
from imagemake.store.items import read_table, write_table
from imagemake.store.progress import JobProgress
from imagemake.workflow.alerts import AlertSender
from imagemake.workflow.job_options import job_options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=Path, required=True, help="calls to make, JSON Lines")
    parser.add_argument("--rewritten", type=Path, required=True, help="file to write the outcomes to, JSON Lines")
    parser.add_argument("--calls", type=int, required=True, help="calls in flight")
    parser.add_argument("--settings", type=Path, required=True, help="sections of the campaign, JSON")
    options = job_options(parser)
    with exit_on_error():
        job_settings = JobSettings.read(options.settings)
        items = read_table(options.batch)
        progress = JobProgress(options.work, options.rewritten, len(items))
        try:
            rewritten = rewrite_for_job(
                items,
                job_settings,
                job=options.batch.stem,
                calls=options.calls,
                store=options.store,
                work=options.work,
                progress=progress,
            )
        except StoppedError as error:
            if not isinstance(error, ToldToStopError):
                AlertSender(job_settings.alerts, job_settings.campaign, options.work).send("stopped", error.in_words())
            raise
        write_table(options.rewritten, rewritten)


if __name__ == "__main__":
    main()
