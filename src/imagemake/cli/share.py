"""`imagemake share`: copy paid images to the team store."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from imagemake.cli.options import add_config_option, add_store_option

if TYPE_CHECKING:
    from imagemake.config.remotes import SharedStore

DESCRIPTION = """\
Copies every paid image in store/ that the team store does not have to the team store. Runs share the images that they
make automatically. Run this command once after you set store.remote for a project that already has images, and after
a run that could not reach the team store. Nothing is deleted or replaced.

With store.share: everything, it brings store/ and the bucket to the same state, as each run does, also where there is
no store/ yet.
"""
EXAMPLES = """\
examples:
  count the images that the team store lacks, then send them
    imagemake share --dry-run
    imagemake share
"""


def add_share_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake share`."""
    add_store_option(parser)
    add_config_option(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="send nothing; count the images to send, if store.share is images"
    )
    parser.set_defaults(run=run_share)


def run_share(options: argparse.Namespace) -> int:
    """Share the images; return 1 if the team store did not accept all of them."""
    from imagemake.cli.terminal import Progress
    from imagemake.config.load import read_campaign
    from imagemake.core.errors import InterruptedByUserError
    from imagemake.core.problems import Problem, UserError
    from imagemake.store.store import Store
    from imagemake.store.team.team_cache import TeamCache
    from imagemake.store.team.team_store import open_team_store, warn_in

    campaign = read_campaign(options.config)
    if campaign.store.remote is None:
        remedy = "Set it, for example store: {remote: s3://bucket/prefix}."
        raise UserError(Problem(str(options.config), "store.remote is not set.", remedy))
    if campaign.store.whole is not None:
        return _copy_store(campaign.store, options)
    if not options.store.is_dir():
        remedy = "Run this command in the project folder, or pass --store."
        raise UserError(Problem(str(options.store), "the store does not exist.", remedy))
    warn = warn_in("imagemake")
    team = open_team_store(campaign.store, warn)
    if team is None:
        return 1
    team_cache = TeamCache(team, Store(options.store), campaign.campaign, "share")
    try:
        due = team_cache.lacking()
        if due is None:
            return 1
        if not due:
            print(f"imagemake: nothing to send: {team.address} has all paid images of {options.store}.")
            return 0
        if options.dry_run:
            print(f"{len(due):,} images of {options.store} are not in {team.address} yet.")
            return 0
        progress = Progress()
        given = team_cache.give_all(due, lambda done, total: progress.tell(f"{done:,} of {total:,} images"))
        progress.end()
    except KeyboardInterrupt:
        team_cache.close(finish=False)
        what = "\nStopped. The images sent so far stay, and the next `imagemake share` sends the rest."
        raise InterruptedByUserError(what) from None
    team_cache.close()
    print(f"imagemake: {given:,} of {len(due):,} images sent to {team.address}; the others were already there.")
    return 0 if given == len(due) else 1


def _copy_store(settings: SharedStore, options: argparse.Namespace) -> int:
    """Bring a store that is in a bucket and its copy here to the same state."""
    from imagemake.store.whole.attaching import attached
    from imagemake.store.whole.copying import copy_both_ways

    with attached(settings, options.store, "share", writes=not options.dry_run) as whole:
        assert whole is not None
        copied = copy_both_ways(whole, sends=not options.dry_run)
    print(f"imagemake: {copied.brought:,} files brought from {settings.whole}, {copied.sent:,} sent there.")
    return 0
