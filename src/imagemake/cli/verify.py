"""`imagemake verify`: the store against its names, and every release against its record."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DESCRIPTION = """\
Reads every image and signature of the store and compares its SHA-256 with its name. Damaged files are
moved to store/damaged/, so that the next run makes or copies them again; --dry-run tells only.

Then compares every release with its record in releases/: records with each other and with their git tags, the manifest,
the decisions of the reviews, the journal as far as it was written then, the raw images, and the released files of the
last release. Says what was changed. What is only not here, because nobody fetched it, is told apart.

It cannot tell that somebody wrote all records and all tags anew: compare the last line with one that you wrote down.
"""


def add_verify_options(parser: argparse.ArgumentParser) -> None:
    """Say what `imagemake verify` takes."""
    parser.add_argument("--store", type=Path, default=Path("store"), help="default: store")
    parser.add_argument("--dry-run", action="store_true", help="tell the damaged files, and leave them where they are")
    parser.add_argument("--releases", action="store_true", help="only the releases; reads no image of the store")
    parser.set_defaults(run=run_verify)


def run_verify(options: argparse.Namespace) -> int:
    """Do it; returns 1 where something is damaged or was changed."""
    from imagemake.core.problems import Problem, UserError

    if options.releases:
        return _releases(Path())
    if not options.store.is_dir():
        remedy = "Run this where the Snakefile is, or name the store with --store."
        raise UserError(Problem(str(options.store), "there is no store.", remedy))
    found = _store(options.store, move=not options.dry_run)
    return max(found, _releases(options.store.parent))


def _store(store: Path, *, move: bool) -> int:
    from imagemake.store.verify import verify_store

    n_files, damaged = verify_store(store, move=move, tell=_tell_progress)
    for path in damaged:
        print(f"damaged: {path}")
    left = "moved to store/damaged/; `snakemake -n` tells what they cost" if move else "left in place"
    print(f"{n_files:,} files, {len(damaged):,} damaged ({left})" if damaged else f"{n_files:,} files, no damage")
    return 1 if damaged else 0


def _releases(root: Path) -> int:
    from imagemake.store.layout import RELEASES
    from imagemake.versions.integrity import check_releases
    from imagemake.versions.records import RECORD_FILE, read_record_file

    if not (root / RELEASES).is_dir():
        return 0
    names, found = check_releases(root)
    for finding in found:
        print(finding)
    changed = sum(not finding.is_missing for finding in found)
    missing = len(found) - changed
    if names:
        told = "no change" if not changed else f"{changed:,} changed"
        releases = "1 release" if len(names) == 1 else f"{len(names):,} releases"
        print(f"{releases}, {told}{f', {missing:,} not here' if missing else ''}")
        last = read_record_file(root / RELEASES / names[-1] / RECORD_FILE)
        print(f"last record: {names[-1]} {last.digest}")
    return 1 if changed else 0


def _tell_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,} files", end="" if done < total else "\n", file=sys.stderr, flush=True)
