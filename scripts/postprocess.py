"""Door to `imagemake.stages.postprocess.job`: a batch's finished pictures, into the store."""

import argparse
from pathlib import Path

from imagemake.config.job_settings import Sections
from imagemake.core.problems import exit_on_mistakes
from imagemake.stages.postprocess.job import Finisher
from imagemake.store.items import read_table, write_table
from imagemake.store.store import Store
from imagemake.store.thumbnails import ThumbnailCache
from imagemake.workflow.alerts import Alarm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdicts", type=Path, required=True, help="pictures with measures, JSON Lines")
    parser.add_argument("--finished", type=Path, required=True, help="where the finished ones are told, JSON Lines")
    parser.add_argument("--settings", required=True, help="sections campaign, validation, postprocess, alerts")
    parser.add_argument("--store", type=Path, default=Path("store"), help="default: store")
    parser.add_argument("--work", type=Path, default=Path("work"), help="default: work")
    options = parser.parse_args()
    sections = Sections.model_validate_json(options.settings)
    thumbnails = ThumbnailCache(options.work / "thumbnails")
    with exit_on_mistakes():
        finisher = Finisher(sections.postprocess, sections.validation, Store(options.store), thumbnails)
    items = finisher.finish_batch(read_table(options.verdicts))
    write_table(options.finished, items)
    Alarm(sections.alerts, sections.campaign, options.work).tell_failures(items)


if __name__ == "__main__":
    main()
