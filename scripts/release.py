"""Door to `imagemake.release.writer`: pictures under their names, manifest, metrics and contact sheet."""

import argparse
from pathlib import Path

from imagemake.core.problems import exit_on_mistakes
from imagemake.plan.target import Order
from imagemake.release.writer import Release
from imagemake.store.store import Store
from imagemake.workflow.alerts import Alarm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="what is wanted, JSON")
    parser.add_argument("--store", type=Path, default=Path("store"), help="default: store")
    parser.add_argument("--work", type=Path, default=Path("work"), help="default: work")
    options = parser.parse_args()
    with exit_on_mistakes():
        order = Order.read(options.plan)
        words = Release(order, Store(options.store), options.work).write()
    print(words)
    Alarm(order.campaign.alerts, order.campaign.campaign, options.work).tell("finished", words)


if __name__ == "__main__":
    main()
