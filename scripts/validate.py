"""Measure the images of a batch, and postprocess accepted ones while they are decoded; see `imagemake.stages`."""

import argparse
from functools import partial
from pathlib import Path

from imagemake.config.job_settings import JobSettings
from imagemake.core.errors import exit_on_error
from imagemake.stages.postprocess.job import early_finish
from imagemake.stages.validate.job import validate_apart
from imagemake.store.items import read_table, write_table
from imagemake.store.layout import thumbnails_folder
from imagemake.store.progress import JobProgress
from imagemake.store.store import Store
from imagemake.store.thumbnails import ThumbnailCache
from imagemake.workflow.job_options import job_options
from imagemake.workflow.job_store import store_for_job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="images of the batch, JSON Lines")
    parser.add_argument("--measures", type=Path, required=True, help="file to write the measures to, JSON Lines")
    parser.add_argument("--settings", type=Path, required=True, help="sections of the campaign, JSON")
    options = job_options(parser)
    with exit_on_error():
        settings = JobSettings.read(options.settings)
        validation, thumbnails = settings.validation, ThumbnailCache(thumbnails_folder(options.work))
        items, store = read_table(options.images), Store(options.store)
        progress = JobProgress(options.work, options.measures, len(items))
        finish = partial(early_finish, settings.postprocess, validation, store, thumbnails)
        chosen, checks = validation.measures_needed(), validation.checks
        with store_for_job(settings.store, options.store, options.work, options.measures.stem, items):
            measured = validate_apart(items, chosen, store, checks, progress, make_finish=finish)
        write_table(options.measures, measured)


if __name__ == "__main__":
    main()
