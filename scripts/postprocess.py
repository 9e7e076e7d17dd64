"""Postprocess the accepted images of a batch into the store; see `imagemake.stages.postprocess.job`."""

import argparse
from pathlib import Path

from imagemake.config.job_settings import JobSettings
from imagemake.core.errors import exit_on_error
from imagemake.stages.postprocess.job import Postprocessor
from imagemake.store.items import read_table, write_table
from imagemake.store.layout import thumbnails_folder
from imagemake.store.progress import JobProgress
from imagemake.store.store import Store
from imagemake.store.thumbnails import ThumbnailCache
from imagemake.workflow.alerts import AlertSender
from imagemake.workflow.job_options import job_options
from imagemake.workflow.job_store import store_for_job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdicts", type=Path, required=True, help="images with measures, JSON Lines")
    parser.add_argument("--postprocessed", type=Path, required=True, help="file to write the results to, JSON Lines")
    parser.add_argument("--settings", type=Path, required=True, help="sections of the campaign, JSON")
    options = job_options(parser)
    with exit_on_error():
        job_settings = JobSettings.read(options.settings)
        thumbnails = ThumbnailCache(thumbnails_folder(options.work))
        postprocessor = Postprocessor(
            job_settings.postprocess, job_settings.validation, Store(options.store), thumbnails
        )
        given = read_table(options.verdicts)
        progress = JobProgress(options.work, options.postprocessed, len(given))
        with store_for_job(job_settings.store, options.store, options.work, options.postprocessed.stem, given):
            items = postprocessor.postprocess_batch(given, progress)
        write_table(options.postprocessed, items)
        AlertSender(job_settings.alerts, job_settings.campaign, options.work).send_failures(items)


if __name__ == "__main__":
    main()
