"""`imagemake verify`: check that stored images and releases are unchanged."""

from __future__ import annotations

import argparse
from pathlib import Path

from imagemake.cli.options import add_store_option

DESCRIPTION = """\
First, the command reads every image and signature in the store and compares its SHA-256 with its name. Damaged files
are moved to store/damaged/, and the next run makes or copies them again. With --dry-run, they are only listed.

Then it compares every release with its record in releases/: the chain of records, their git tags, the manifest, the
review decisions, the journal up to the release, the raw images, and the image files of the latest release. It lists
what changed. Files that are missing because you have not fetched them are listed separately.

If someone rewrites every record and every tag, this command cannot notice. To rule that out, keep a copy of its last
line and compare.

Exit status: 0, or 1 if something is damaged or changed.
"""
EXAMPLES = """\
examples:
  check the store and every release, and move damaged files aside
    imagemake verify
  check in CI that no release was changed, without reading the store
    imagemake verify --releases
"""


def add_verify_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake verify`."""
    add_store_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="list damaged files, but do not move them")
    parser.add_argument("--releases", action="store_true", help="check releases only; read no image in the store")
    parser.set_defaults(run=run_verify)


def run_verify(options: argparse.Namespace) -> int:
    """Check store and releases; return 1 if something is damaged or changed."""
    from imagemake.core.problems import Problem, UserError

    if options.releases:
        return _releases(Path())
    if not options.store.is_dir():
        remedy = "Run this command in the project folder, or pass --store."
        raise UserError(Problem(str(options.store), "the store does not exist.", remedy))
    found = _store(options.store, move=not options.dry_run)
    return max(found, _releases(options.store.parent))


def _store(store: Path, *, move: bool) -> int:
    from imagemake.cli.terminal import Progress
    from imagemake.store.verify import verify_store

    progress = Progress()
    n_files, damaged = verify_store(
        store, move=move, tell=lambda done, total: progress.tell(f"{done:,} of {total:,} files")
    )
    progress.end()
    for path in damaged:
        print(f"damaged: {path}")
    left = "moved to store/damaged/; `snakemake -n` shows what it costs to replace them" if move else "left in place"
    print(f"{n_files:,} files, {len(damaged):,} damaged ({left})" if damaged else f"{n_files:,} files, no damage")
    return 1 if damaged else 0


def _releases(root: Path) -> int:
    from imagemake.cli.terminal import Progress
    from imagemake.store.layout import RELEASES
    from imagemake.versions.integrity import check_releases
    from imagemake.versions.records import RECORD_FILE, read_record_file

    progress = Progress()
    names, found = check_releases(root, progress.tell)
    progress.end()
    for finding in found:
        print(finding)
    changed = sum(not finding.is_missing for finding in found)
    missing = len(found) - changed
    if names:
        told = "no change" if not changed else f"{changed:,} changed"
        releases = "1 release" if len(names) == 1 else f"{len(names):,} releases"
        print(f"{releases}, {told}{f', {missing:,} missing' if missing else ''}")
        last = read_record_file(root / RELEASES / names[-1] / RECORD_FILE)
        print(f"last record: {names[-1]} {last.digest}")
    elif not found:
        print(f"{RELEASES}: no release exists yet")
    return 1 if changed else 0
