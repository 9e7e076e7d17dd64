"""`imagemake ledger`: list, filter, and sum calls."""

from __future__ import annotations

import argparse
import sys
from itertools import chain

from imagemake.cli.options import add_store_option

DESCRIPTION = """\
Sums the calls in store/journal, which records every call to a provider before it is sent. Columns:

  calls                       calls that were sent
  images made                 calls that returned an image
  billed USD                  sum of all known costs; refused and failed calls cost nothing
  cost unknown                calls that "billed USD" leaves out, because their cost is not known
  from the team               images copied from the team store (store.remote): no call, no cost
  outcome unknown, worst USD  the most that calls without an outcome can cost, including calls in flight
"""
EXAMPLES = """\
examples:
  show what each model cost on each day of January
    imagemake ledger --by day,model --since 2026-01-01 --until 2026-01-31
  list calls that got no answer but may have been billed, for a spreadsheet
    imagemake ledger --calls --outcome unknown --format csv > unknown.csv
"""


def add_ledger_options(ledger: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake ledger`."""
    add_store_option(ledger)
    shown = ledger.add_mutually_exclusive_group()
    shown.add_argument(
        "--by",
        metavar="COLUMNS",
        default="outcome",
        help="sum by day, model, campaign, outcome, name, or kind (image, judge, moderation, questions, or prompts); "
        "separate several by commas; default: outcome",
    )
    shown.add_argument("--calls", action="store_true", help="list single calls, by day and job")
    ledger.add_argument("--since", metavar="YYYY-MM-DD", help="only calls sent on this day (UTC) or later")
    ledger.add_argument("--until", metavar="YYYY-MM-DD", help="only calls sent on this day (UTC) or earlier")
    for column in ("model", "campaign", "name", "kind"):
        ledger.add_argument(f"--{column}", metavar="GLOB", help=f"only calls whose {column} matches, such as 'A*'")
    ledger.add_argument(
        "--outcome",
        metavar="NAME",
        help="only calls with this outcome: made, refused, failed, unreadable, unknown, waiting, or shared",
    )
    ledger.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="format of the output; default: table"
    )
    ledger.set_defaults(run=run_ledger)


def run_ledger(options: argparse.Namespace) -> int:
    """Print the calls or their sums."""
    from imagemake.cli.ledger_lines import lines_of_calls, lines_of_sums
    from imagemake.cli.terminal import print_lines
    from imagemake.core.problems import Problem, UserError
    from imagemake.store.journal import read_calls
    from imagemake.store.ledger import read_question, sum_calls
    from imagemake.store.store import Store

    filters = {
        name: getattr(options, name) for name in ("since", "until", "outcome", "model", "campaign", "name", "kind")
    }
    by, selection = read_question(options.by, **filters)
    folder = Store(options.store).journal_folder
    if not folder.is_dir():
        remedy = "Run this command in the project folder, or pass --store. The first call creates the journal."
        raise UserError(Problem(str(folder), "the journal does not exist.", remedy))
    selected = filter(selection.test(), read_calls(folder))
    first = next(selected, None)
    if first is None:
        which = f"No call in {folder} matches {selection}." if str(selection) else f"{folder} has no calls yet."
        print(which, file=sys.stderr)
    calls = chain([] if first is None else [first], selected)
    if options.calls:
        print_lines(lines_of_calls(calls, options.format))
    else:
        print_lines(lines_of_sums(sum_calls(calls, by), options.format))
    return 0
