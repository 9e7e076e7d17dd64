"""Measure the images of a batch; see `imagemake.stages.validate.job`."""

import argparse
from pathlib import Path

from imagemake.config.job_settings import JobSettings
from imagemake.core.errors import exit_on_error
from imagemake.stages.validate.job import validate_apart
from imagemake.store.items import read_table, write_table
from imagemake.store.progress import JobProgress
from imagemake.store.store import Store
from imagemake.workflow.job_options import job_options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="images of the batch, JSON Lines")
    parser.add_argument("--measures", type=Path, required=True, help="file to write the measures to, JSON Lines")
    parser.add_argument("--settings", type=Path, required=True, help="sections of the campaign, JSON")
    options = job_options(parser)
    with exit_on_error():
        validation = JobSettings.read(options.settings).validation
        items, store = read_table(options.images), Store(options.store)
        progress = JobProgress(options.work, options.measures, len(items))
        measured = validate_apart(items, validation.measures_needed(), store, validation.checks, progress)
        write_table(options.measures, measured)


if __name__ == "__main__":
    main()
