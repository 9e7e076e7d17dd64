"""`imagemake`: commands beside Snakemake."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from types import ModuleType
from typing import NoReturn

from imagemake import __version__
from imagemake.cli import (
    alerts,
    audit,
    batches,
    comfyui,
    diff,
    doctor,
    init,
    inspect,
    ledger,
    models,
    publish,
    questions,
    queue,
    release,
    reproduce,
    review,
    schema,
    share,
    track,
    verify,
)
from imagemake.cli.help_text import HelpFormatter
from imagemake.cli.terminal import end_with_reader
from imagemake.core.errors import ExitCode, exit_on_error
from imagemake.core.garbage import collect_rarely
from imagemake.core.left_out import import_pyarrow_without_pandas

_INVALID_CHOICE = re.compile(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", re.DOTALL)
DESCRIPTION = """\
make for AI images. Snakemake builds the images:

  snakemake -n        show what a build would make, why, and what it costs
  snakemake pilot     build a sample of the campaign
  snakemake small     build a larger sample, which includes the pilot
  snakemake           build the whole campaign

The commands below do everything else. For details and examples, run `imagemake COMMAND --help`.
"""

# In the order of the help text: the project, images, releases, other places. Each module has DESCRIPTION, EXAMPLES, and
# a function that adds its options. Heavy imports happen when a command runs.
COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "init": (init, "start a project in a folder"),
    "doctor": (doctor, "check configuration, keys, packages, disk, and storage, at no cost"),
    "models": (models, "show what models accept and cost, and ask providers for their own lists"),
    "comfyui": (comfyui, "propose settings for a workflow of ComfyUI"),
    "inspect": (inspect, "show where an image came from, and whether it was changed"),
    "review": (review, "approve or reject the images awaiting review, in your browser"),
    "questions": (questions, "show and edit the questions that a judge derives from prompts"),
    "ledger": (ledger, "list, filter, and sum calls and their costs"),
    "batches": (batches, "list, collect, or cancel half-price batches at a provider"),
    "queue": (queue, "list, collect, or cancel requests in a provider's queue"),
    "diff": (diff, "show what changed between two releases, with both images side by side"),
    "release": (release, "release what you built: checks, record, changelog, DVC, git tag"),
    "audit": (audit, "list who approved each image of a release, its prompt, calls, cost, and checks"),
    "verify": (verify, "check that stored images and releases are unchanged"),
    "reproduce": (reproduce, "make an image again from its recipe, and report how close the result is"),
    "track": (track, "add the store, images, and tables to DVC"),
    "publish": (publish, "upload a release to S3 or elsewhere; only changes are sent"),
    "share": (share, "copy paid images to the team store"),
    "alerts": (alerts, "send a test message to every address in IMAGEMAKE_ALERTS"),
    "schema": (schema, "print the JSON schema of the configuration, the manifest, or the sidecars"),
}
READ_MANIFESTS = ("audit", "diff", "publish", "release", "verify")  # those that always do


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command, then exit with an `imagemake.core.errors.ExitCode`."""
    collect_rarely()
    with exit_on_error(), end_with_reader():
        parser = _parser()
        given = sys.argv[1:] if arguments is None else arguments
        if not given:
            parser.print_help()
            sys.exit(ExitCode.USAGE)
        options, unknown = parser.parse_known_args(given)
        if unknown:
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        if arguments is None and given[0] in READ_MANIFESTS:
            import_pyarrow_without_pandas()
        sys.exit(options.run(options))


class _OwnParser(argparse.ArgumentParser):
    """Shows what to do in place of all that could have been written."""

    def error(self, message: str) -> NoReturn:
        """Exit with a mistake in the command line, and where to read more."""
        if wrong := _INVALID_CHOICE.fullmatch(message):
            option, given, listed = wrong.groups()
            choices = [word.strip(" '") for word in listed.split(",")]
            near = get_close_matches(given, choices, n=1)
            also = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(choices)}."
            message = (
                f"{option}: unknown value {given!r}; {also}"
                if option != "COMMAND"
                else f"unknown command {given!r}; {also}"
            )
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\n  For options and examples, run: {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _OwnParser(prog="imagemake", description=DESCRIPTION, formatter_class=HelpFormatter)
    words = f"imagemake {__version__}"
    parser.add_argument("--version", action="version", version=words, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_OwnParser)
    for name, (module, words) in COMMANDS.items():
        own = commands.add_parser(
            name, help=words, description=module.DESCRIPTION, epilog=module.EXAMPLES, formatter_class=HelpFormatter
        )
        getattr(module, f"add_{name}_options")(own)
        own.set_defaults(parser=own)
    return parser
