"""Write images under their names, manifest, metrics, and contact sheet; see `imagemake.release.writer`."""

import argparse
from pathlib import Path

from imagemake.core.errors import exit_on_error
from imagemake.core.left_out import import_pyarrow_without_pandas
from imagemake.plan.target import Target
from imagemake.release.writer import Release
from imagemake.store.store import Store
from imagemake.workflow.alerts import AlertSender
from imagemake.workflow.job_options import job_options
from imagemake.workflow.job_store import complete_store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="the plan, JSON")
    options = job_options(parser)
    import_pyarrow_without_pandas()
    with exit_on_error():
        target = Target.read(options.plan)
        with complete_store(target.campaign.store, options.store, options.work, "release"):
            words = Release(target, Store(options.store), options.work).write()
        print(words)
        AlertSender(target.campaign.alerts, target.campaign.campaign, options.work).send("finished", words)


if __name__ == "__main__":
    main()
