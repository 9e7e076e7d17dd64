"""Door to `imagemake.generate`: a batch's pictures, into the store."""

import argparse
import sys
from pathlib import Path

from imagemake.batch import read_table, write_table
from imagemake.generate import StoppedError, generate_for_job
from imagemake.wanted.sections import Sections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=Path, required=True, help="requests, JSON Lines")
    parser.add_argument("--outcomes", type=Path, required=True, help="where the outcomes go, JSON Lines")
    parser.add_argument("--calls", type=int, required=True, help="calls at once: the tokens that this job holds")
    parser.add_argument(
        "--settings",
        required=True,
        help="the campaign's sections campaign, model, more_models, models, budget_usd, limits",
    )
    parser.add_argument("--store", type=Path, default=Path("store"), help="default: store")
    parser.add_argument("--work", type=Path, default=Path("work"), help="default: work")
    options = parser.parse_args()
    try:
        items = generate_for_job(
            read_table(options.batch),
            Sections.model_validate_json(options.settings),
            job=options.batch.stem,
            calls=options.calls,
            store=options.store,
            work=options.work,
        )
    except StoppedError as error:
        sys.exit(str(error))
    write_table(options.outcomes, items)


if __name__ == "__main__":
    main()
