"""Ask models about the images of a batch and put their answers into the store; see `imagemake.stages.judge.job`."""

import argparse
from pathlib import Path

from imagemake.config.job_settings import JobSettings
from imagemake.core.errors import exit_on_error
from imagemake.stages.generate.calls import StoppedError, ToldToStopError
from imagemake.stages.judge.job import judge_for_job
from imagemake.store.items import read_table, write_table
from imagemake.store.progress import JobProgress
from imagemake.workflow.alerts import AlertSender
from imagemake.workflow.job_options import job_options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="images with measures, JSON Lines")
    parser.add_argument("--judged", type=Path, required=True, help="file to write the answers to, JSON Lines")
    parser.add_argument("--calls", type=int, required=True, help="calls in flight")
    parser.add_argument("--settings", type=Path, required=True, help="sections of the campaign, JSON")
    options = job_options(parser)
    with exit_on_error():
        job_settings = JobSettings.read(options.settings)
        items = read_table(options.images)
        progress = JobProgress(options.work, options.judged, len(items))
        try:
            judged = judge_for_job(
                items,
                job_settings,
                job=options.images.stem,
                calls=options.calls,
                store=options.store,
                work=options.work,
                progress=progress,
            )
        except StoppedError as error:
            if not isinstance(error, ToldToStopError):
                AlertSender(job_settings.alerts, job_settings.campaign, options.work).send("stopped", error.in_words())
            raise
        write_table(options.judged, judged)


if __name__ == "__main__":
    main()
