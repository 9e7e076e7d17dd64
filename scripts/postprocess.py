"""Postprocess the accepted images of a batch into the store; see `imagemake.stages.postprocess.job`."""

import argparse
from pathlib import Path

from imagemake.config.job_settings import JobSettings
from imagemake.core.errors import exit_on_error
from imagemake.stages.postprocess.job import Postprocessor
from imagemake.store.items import read_table, write_table
from imagemake.store.layout import thumbnails_folder
from imagemake.store.store import Store
from imagemake.store.thumbnails import ThumbnailCache
from imagemake.workflow.alerts import AlertSender
from imagemake.workflow.job_options import job_options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdicts", type=Path, required=True, help="images with measures, JSON Lines")
    parser.add_argument("--postprocessed", type=Path, required=True, help="file to write the results to, JSON Lines")
    parser.add_argument("--settings", required=True, help="JSON with campaign, validation, postprocess, alerts")
    options = job_options(parser)
    job_settings = JobSettings.model_validate_json(options.settings)
    thumbnails = ThumbnailCache(thumbnails_folder(options.work))
    with exit_on_error():
        items = read_table(options.verdicts)
        postprocessor = Postprocessor(
            job_settings.postprocess, job_settings.validation, Store(options.store), thumbnails
        )
    finished = postprocessor.postprocess_batch(items)
    write_table(options.postprocessed, finished)
    AlertSender(job_settings.alerts, job_settings.campaign, options.work).send_failures(finished)


if __name__ == "__main__":
    main()
