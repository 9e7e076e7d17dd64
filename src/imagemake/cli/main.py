"""`imagemake`: commands beside Snakemake."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

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
from imagemake.cli.terminal import end_with_reader
from imagemake.core.errors import exit_on_error
from imagemake.core.garbage import collect_rarely

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command, then exit with an `imagemake.core.errors.ExitCode`."""
    collect_rarely()
    with exit_on_error(), end_with_reader():
        options = _parser().parse_args(arguments)
        sys.exit(options.run(options))


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="imagemake", description=DESCRIPTION, formatter_class=raw)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, words) in COMMANDS.items():
        own = commands.add_parser(
            name, help=words, description=module.DESCRIPTION, epilog=module.EXAMPLES, formatter_class=raw
        )
        getattr(module, f"add_{name}_options")(own)
    return parser
