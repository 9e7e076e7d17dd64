"""`imagemake ledger`: every call, shown, filtered and summed."""

from __future__ import annotations

import argparse
import sys
from itertools import chain
from pathlib import Path

DESCRIPTION = """\
Reads store/journal, where every call to a provider is written down before it is sent, and sums it:

  calls                       how many were sent
  images made               how many of them brought an image
  billed USD                  the costs that are known; refused and failed calls cost nothing
  cost unknown                calls that "billed USD" leaves out, because nobody said what they cost
  from the team               images that came from the team's store (store.remote): no call, no cost
  outcome unknown, worst USD  what calls without an outcome can have cost at most; those in flight are among them
"""
EXAMPLES = """\
examples:
  what each model cost on each day of January
    imagemake ledger --by day,model --since 2026-01-01 --until 2026-01-31
  the calls that may have been billed without an answer, for a spreadsheet
    imagemake ledger --calls --outcome unknown --format csv > unknown.csv
"""


def add_ledger_options(ledger: argparse.ArgumentParser) -> None:
    """Say what `imagemake ledger` takes."""
    ledger.add_argument("--store", type=Path, default=Path("store"), help="default: store")
    shown = ledger.add_mutually_exclusive_group()
    shown.add_argument(
        "--by", metavar="COLUMNS", default="outcome", help="day, model, campaign, outcome, name; default: outcome"
    )
    shown.add_argument("--calls", action="store_true", help="list the single calls, in the order of days and jobs")
    ledger.add_argument("--since", metavar="YYYY-MM-DD", help="calls sent on that day (UTC) or later")
    ledger.add_argument("--until", metavar="YYYY-MM-DD", help="calls sent on that day (UTC) or earlier")
    for column in ("model", "campaign", "name"):
        ledger.add_argument(f"--{column}", metavar="GLOB", help=f"calls whose {column} matches, such as 'A*'")
    ledger.add_argument(
        "--outcome", metavar="NAME", help="made, refused, failed, unreadable, unknown, waiting or shared"
    )
    ledger.add_argument("--format", choices=("table", "csv", "json"), default="table", help="default: table")
    ledger.set_defaults(run=run_ledger)


def run_ledger(options: argparse.Namespace) -> int:
    """Show or sum the calls."""
    from imagemake.cli.ledger_lines import lines_of_calls, lines_of_sums
    from imagemake.cli.terminal import print_lines
    from imagemake.core.problems import Problem, UserError
    from imagemake.store.journal import read_calls
    from imagemake.store.ledger import read_question, sum_calls
    from imagemake.store.store import Store

    filters = {name: getattr(options, name) for name in ("since", "until", "outcome", "model", "campaign", "name")}
    by, selection = read_question(options.by, **filters)
    folder = Store(options.store).journal_folder
    if not folder.is_dir():
        remedy = "Run this where the Snakefile is, or name the store with --store; the first call makes the journal."
        raise UserError(Problem(str(folder), "there is no journal.", remedy))
    selected = filter(selection.test(), read_calls(folder))
    first = next(selected, None)
    if first is None:
        which = f"No call in {folder} matches {selection}." if str(selection) else f"{folder} holds no call yet."
        print(which, file=sys.stderr)
    calls = chain([] if first is None else [first], selected)
    if options.calls:
        print_lines(lines_of_calls(calls, options.format))
    else:
        print_lines(lines_of_sums(sum_calls(calls, by), options.format))
    return 0
