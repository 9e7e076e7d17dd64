"""`imagemake`: what Snakemake has no verb for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = """\
make for AI images. The builds themselves are Snakemake's:

  snakemake -n        what would be made, why, and for how much
  snakemake pilot     a sample of the campaign
  snakemake           the whole campaign
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; ends the process with 1 where it found something wrong."""
    options = _parser().parse_args(arguments)
    sys.exit(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imagemake", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    verify = commands.add_parser(
        "verify",
        help="check every file of the store against the digest in its name",
        description="Reads every raw and finished picture and compares its SHA-256 with its name. Damaged files are "
        "moved to store/damaged/, so that the next run makes them again; --dry-run only tells them.",
    )
    verify.add_argument("--store", type=Path, default=Path("store"), help="default: store")
    verify.add_argument("--dry-run", action="store_true", help="tell the damaged files, and leave them where they are")
    verify.set_defaults(run=_verify)
    reference = commands.add_parser(
        "reference",
        help="write config/README.md and config/schema.json from the types of the configuration",
        description="Writes the reference page and the JSON schema of config.yaml from its types.",
    )
    reference.add_argument("--folder", type=Path, default=Path("config"), help="default: config")
    reference.set_defaults(run=_reference)
    return parser


def _verify(options: argparse.Namespace) -> int:
    from imagemake.verify import verify_store

    if not options.store.is_dir():
        print(f"{options.store} is no folder: run this where the Snakefile is, or name the store with --store.")
        return 1
    n_files, damaged = verify_store(options.store, move=not options.dry_run, tell=_tell_progress)
    for path in damaged:
        print(f"damaged: {path}")
    left = "left in place" if options.dry_run else "moved to store/damaged/; `snakemake -n` tells what they cost"
    print(f"{n_files:,} files, {len(damaged):,} damaged ({left})" if damaged else f"{n_files:,} files, no damage")
    return 1 if damaged else 0


def _reference(options: argparse.Namespace) -> int:
    from imagemake.wanted.reference import write_reference

    write_reference(options.folder)
    return 0


def _tell_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,} files", end="" if done < total else "\n", file=sys.stderr, flush=True)
