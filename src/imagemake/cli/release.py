"""`imagemake release`: from a build that is complete to a release that stays."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagemake.versions.releasing import Releasing

DESCRIPTION = """\
Makes a release of what `snakemake` has built: looks whether the build is complete, results/ shows it, nobody waits for
a review, the gates are passed, and config/ and code are committed; then records it:

  releases/NAME/release.json  digests of manifest, configuration, reviews and every journal file, counts and costs, and
                              the digest of the record before: `imagemake verify` proves that nothing was changed since
  releases/NAME/              also the manifest and config/reviews.csv as they were, for `imagemake audit`
  releases/CHANGES.md         new, changed, removed, cost: an entry a release
  releases/history.csv        the same as a table, for `dvc plots`
  DVC                         store, images and tables, where the project uses it
  git                         one commit with all of that, and the tag NAME

It refuses with every reason at once. Killed in the middle, nothing is released, and the same command goes on.
"""
EXAMPLES = """\
examples:
  what would happen, and what is in the way
    imagemake release v1.2 --dry-run
  with a word for the changelog, and sent to the team
    imagemake release v1.2 --note "The autumn range in teal" --push
"""


def add_release_options(parser: argparse.ArgumentParser) -> None:
    """Say what `imagemake release` takes."""
    parser.add_argument("name", metavar="NAME", help="such as v1.2; becomes a folder and a git tag")
    parser.add_argument("--note", default="", help="what it is, for the changelog")
    parser.add_argument("--dry-run", action="store_true", help="tell what is in the way and what would be recorded")
    parser.add_argument("--allow-review", action="store_true", help="also while images wait for a person")
    parser.add_argument(
        "--allow-missing", action="store_true", help="also where requests were rejected, refused or held"
    )
    parser.add_argument("--no-git", action="store_true", help="only write releases/NAME; no commit, no tag")
    parser.add_argument("--push", action="store_true", help="then send it: dvc push, git push --follow-tags")
    parser.set_defaults(run=run_release)


def run_release(options: argparse.Namespace) -> int:
    """Do it; returns 1 where it is refused."""
    from imagemake.config.campaign import CONFIG
    from imagemake.config.load import read_campaign
    from imagemake.core.problems import UserError
    from imagemake.versions.readiness import ReleaseOptions
    from imagemake.versions.releasing import Releasing
    from imagemake.workflow.run_lock import hold_run_lock

    wish = ReleaseOptions(options.name, options.note, options.allow_review, options.allow_missing, not options.no_git)
    with hold_run_lock():
        releasing = Releasing(read_campaign(Path(CONFIG)), wish)
        if problems := releasing.problems():
            raise UserError(problems)
        if releasing.is_there():
            print(f"{wish.name} is released already, just as the project is now.")
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
    before = ", ".join(one.release for one in record.previous) or "nothing: it is the first"
    print(f"{record.release} {verb} released: {in_words(record)}.")
    print(f"  Cost: {cost_in_words(record)}.")
    print(f"  Follows {before}; its record is releases/{record.release}/release.json.")
    if not releasing.dvc.is_there():
        print("  DVC is not used here: nothing but you keeps copies of store/ and results/images/.")


def _send(releasing: Releasing, *, push: bool) -> None:
    uses_dvc, uses_git = releasing.dvc.is_there(), releasing.options.git
    if push:  # bytes before names: nobody must find a tag whose images are nowhere
        if uses_dvc:
            releasing.dvc.run("push")
        if uses_git:
            releasing.git.push()
        return
    commands = [*(["dvc push"] if uses_dvc else []), *(["git push --follow-tags"] if uses_git else [])]
    if commands:
        print(f"  To send it: {' && '.join(commands)}")
