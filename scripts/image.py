"""Put one postprocessed image under its name; see `imagemake.release.single_image`."""

import argparse
from pathlib import Path

from imagemake.core.errors import exit_on_error
from imagemake.plan.target import Target
from imagemake.release.single_image import link_one
from imagemake.store.store import Store
from imagemake.workflow.job_options import job_options
from imagemake.workflow.job_store import complete_store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="the plan, JSON")
    parser.add_argument("--image", type=Path, required=True, help="file to write the image to")
    options = job_options(parser)
    with exit_on_error():
        target = Target.read(options.plan)
        with complete_store(target.campaign.store, options.store, options.work, "image"):
            link_one(target, options.image, Store(options.store), options.work)


if __name__ == "__main__":
    main()
