"""Write the batches of a run's next round; see `imagemake.workflow.next_round`."""

import argparse
import sys
from pathlib import Path

from imagemake.core.errors import exit_on_error
from imagemake.plan.target import Target
from imagemake.store.store import Store
from imagemake.workflow.job_options import job_options
from imagemake.workflow.job_store import complete_store
from imagemake.workflow.next_round import write_next_round


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="the plan, JSON")
    parser.add_argument("--batches", type=Path, required=True, help="file to write the list of batches to, JSON")
    options = job_options(parser)
    with exit_on_error():
        target = Target.read(options.plan)
        with complete_store(target.campaign.store, options.store, options.work, "next_round"):
            n = write_next_round(target, options.batches, Store(options.store), options.work)
        print(f"requests in the next round: {n}", file=sys.stderr)


if __name__ == "__main__":
    main()
