"""`imagemake questions`: show and edit the questions that were derived from prompts."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from typing import TYPE_CHECKING

from imagemake.cli.options import add_config_option, add_store_option

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign

DESCRIPTION = """\
Prints the questions that are asked about images in place of `auto`, as CSV: those derived from prompts, or those of
config/questions.csv. Prompts without questions are counted; a run derives theirs. Nothing is asked here.
"""
EXAMPLES = """\
examples:
  show the questions
    imagemake questions
  write them to config/questions.csv to edit them; what you change is asked by the next run
    imagemake questions --write
"""


def add_questions_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake questions`."""
    add_store_option(parser)
    add_config_option(parser)
    parser.add_argument(
        "--write", action="store_true", help="write config/questions.csv in place of printing; edited questions stay"
    )
    parser.set_defaults(run=run_questions)


def run_questions(options: argparse.Namespace) -> int:
    """Print or write the questions."""
    from imagemake.config.load import read_campaign
    from imagemake.core.files import write_whole
    from imagemake.core.problems import Problem, UserError
    from imagemake.core.spreadsheet import safe_cell
    from imagemake.core.text import counted
    from imagemake.plan.edited_questions import COLUMNS, QUESTIONS, read_edited
    from imagemake.stages.judge.known import KnownAnswers

    campaign = read_campaign(options.config)
    asker = next((one for one in campaign.validation.asked.askers if one.derives), None)
    if asker is None:
        remedy = "Add it to the questions of validation.measures.judge: questions: [auto]."
        raise UserError(Problem(str(options.config), "no questions are derived from prompts.", remedy))
    edited, known, missing = read_edited(), KnownAnswers(options.store), 0
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for prompt in _prompts(campaign):
        derived = edited.get(prompt) or known.derived(asker.identity, prompt)
        missing += derived is None
        questions = () if derived is None or isinstance(derived, str) else derived
        writer.writerows([safe_cell(prompt), safe_cell(question)] for question in questions)
    if options.write:
        write_whole(QUESTIONS, text.getvalue().encode())
        print(f"{QUESTIONS} written. Edit its questions, then run: snakemake -n", file=sys.stderr)
    else:
        print(text.getvalue(), end="")
    if missing:
        print(f"{counted(missing, 'prompt')} without questions; the next run derives them.", file=sys.stderr)
    return 0


def _prompts(campaign: Campaign) -> list[str]:

    from imagemake.plan.requests.catalog import Catalog
    from imagemake.plan.target import Target
    from imagemake.store.layout import ALL

    requests = Target(campaign, Catalog.open(campaign.catalog), ALL, "").requests
    return list(dict.fromkeys(request.recipe.prompt for request in requests))
