"""`imagemake release`: record a complete build as a release."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagemake.versions.releasing import Releasing

DESCRIPTION = """\
Releases what `snakemake` built. First, the command checks that the build is complete, that results/ is up to date, that
no image is awaiting review, that all gates pass, and that config/ and code are committed. If a check fails, it lists
every reason and releases nothing. Then it writes:

  releases/NAME/release.json  digests of the manifest, configuration, reviews, and journal, with counts, costs, and the
                              digest of the previous record, so that `imagemake verify` can find later changes
  releases/NAME/              copies of the manifest and config/reviews.csv, for `imagemake audit`
  releases/CHANGES.md         one entry per release: new, changed, and removed images, and the cost
  releases/history.csv        the same numbers as a table, for `dvc plots`
  DVC                         the store, images, and tables, if the project uses DVC
  git                         one commit with all of these, and the tag NAME

If the command is interrupted, nothing is released. Run it again to continue.
"""
EXAMPLES = """\
examples:
  check whether you can release, and show what would be recorded
    imagemake release v1.2 --dry-run
  release with a note for the changelog, and push
    imagemake release v1.2 --note "The autumn range in teal" --push
"""


def add_release_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake release`."""
    parser.add_argument("name", metavar="NAME", help="name of the folder and the git tag, such as v1.2")
    parser.add_argument("--note", default="", help="a sentence for the changelog")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what prevents the release, or what it would record"
    )
    parser.add_argument("--allow-review", action="store_true", help="release even if images are awaiting review")
    parser.add_argument(
        "--allow-missing", action="store_true", help="release even if requests were rejected, refused, or held"
    )
    parser.add_argument("--no-git", action="store_true", help="write releases/NAME only; make no commit and no tag")
    parser.add_argument("--push", action="store_true", help="afterward, run dvc push and git push --follow-tags")
    parser.set_defaults(run=run_release)


def run_release(options: argparse.Namespace) -> int:
    """Make the release, or show what it would be.

    Raises:
        UserError: If something prevents the release.
    """
    from imagemake.config.fields import CONFIG
    from imagemake.config.load import read_campaign
    from imagemake.core.problems import UserError
    from imagemake.versions.readiness import ReleaseOptions
    from imagemake.versions.releasing import Releasing
    from imagemake.workflow.run_lock import hold_run_lock

    wish = ReleaseOptions(options.name, options.note, options.allow_review, options.allow_missing, not options.no_git)
    campaign = read_campaign(Path(CONFIG))
    with hold_run_lock():
        releasing = Releasing(campaign, wish)
        if problems := releasing.problems():
            raise UserError(problems)
        if releasing.is_there():
            print(f"{wish.name} is already released, and the project has not changed since.")
        elif options.dry_run:
            _tell(releasing, "would be")
            return 0
        else:
            releasing.make(lambda what: print(f"imagemake: {what}", file=sys.stderr, flush=True))
            _tell(releasing, "is")
        if not options.dry_run:
            _send(releasing, push=options.push)
    return 0


def _tell(releasing: Releasing, verb: str) -> None:
    from imagemake.versions.history import cost_in_words, in_words

    record = releasing.record
    before = ", ".join(one.release for one in record.previous) or "no other release"
    print(f"{record.release} {verb} released: {in_words(record)}.")
    print(f"  Cost: {cost_in_words(record)}.")
    print(f"  Follows {before}. Record: releases/{record.release}/release.json.")
    if not releasing.dvc.is_there():
        print("  This project does not use DVC: back up store/ and results/images/ yourself.")


def _send(releasing: Releasing, *, push: bool) -> None:
    uses_dvc, uses_git = releasing.dvc.is_there(), releasing.options.git
    if push:  # images before names: a tag must not appear before its images
        if uses_dvc:
            releasing.dvc.run("push")
        if uses_git:
            releasing.git.push()
        return
    commands = [*(["dvc push"] if uses_dvc else []), *(["git push --follow-tags"] if uses_git else [])]
    if commands:
        print(f"  To send it, run: {' && '.join(commands)}")
