"""`imagemake`: what Snakemake has no verb for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from imagemake.cli import (
    alerts,
    audit,
    batches,
    diff,
    inspect,
    ledger,
    publish,
    reference,
    release,
    reproduce,
    review,
    schema,
    share,
    track,
    verify,
)
from imagemake.core.errors import exit_on_error

DESCRIPTION = """\
make for AI images. The builds themselves are Snakemake's:

  snakemake -n        what would be made, why, and for how much
  snakemake pilot     a sample of the campaign
  snakemake small     a larger one, the pilot's images among them
  snakemake           the whole campaign
"""

# In the order in which they are told: what became of images, releases, other places, the project itself. Each module
# has DESCRIPTION, perhaps EXAMPLES, and a function that adds its options; it imports what it needs when it runs.
COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "inspect": (inspect, "tell where one image came from, and whether it is what was released"),
    "review": (review, "decide about doubtful images in the browser"),
    "ledger": (ledger, "show, filter and sum every call: by day, model, campaign, outcome, name"),
    "batches": (batches, "list, collect and cancel what is at a provider as a half-price batch"),
    "diff": (diff, "tell what changed between two releases, with both images side by side"),
    "release": (release, "make a release of what is built: checks, record, DVC, changelog, git tag"),
    "audit": (audit, "write who approved each image of a release, its prompt, calls, cost and checks"),
    "verify": (verify, "check the store against its names, and releases against their records"),
    "reproduce": (reproduce, "make an image again from its recipe, and tell how near it comes"),
    "track": (track, "put store, images and tables under DVC's care"),
    "publish": (publish, "put a release on S3 or elsewhere: what changed, the manifest last"),
    "share": (share, "put what was paid for here into the team's store, as far as it lacks it"),
    "alerts": (alerts, "send a test message to every address of IMAGEMAKE_ALERTS"),
    "schema": (schema, "print the JSON schema of the manifest or of sidecars"),
    "reference": (
        reference,
        "write config/README.md and config/schema.json from the configuration's types",
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command, and end the process with one of `imagemake.core.errors.ExitCode`."""
    options = _parser().parse_args(arguments)
    with exit_on_error():
        sys.exit(options.run(options))


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="imagemake", description=DESCRIPTION, formatter_class=raw)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, words) in COMMANDS.items():
        examples = getattr(module, "EXAMPLES", None)
        own = commands.add_parser(
            name, help=words, description=module.DESCRIPTION, epilog=examples, formatter_class=raw
        )
        getattr(module, f"add_{name}_options")(own)
    return parser
