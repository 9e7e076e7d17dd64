"""`imagemake share`: what was paid for here, into the team's store."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DESCRIPTION = """\
Puts every paid image of store/ that the team's store lacks there: once after store.remote was set for a project that
has images already, and whenever something was in the way. Runs do this by themselves for the images that they
make. Nothing is deleted or replaced, here or there. More: docs/sharing.md
"""


def add_share_options(parser: argparse.ArgumentParser) -> None:
    """Say what `imagemake share` takes."""
    parser.add_argument("--store", type=Path, default=Path("store"), help="default: store")
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"), help="default: config/config.yaml")
    parser.add_argument("--dry-run", action="store_true", help="count what the team lacks, and send nothing")
    parser.set_defaults(run=run_share)


def run_share(options: argparse.Namespace) -> int:
    """Share the images; returns 1 if the team's store did not take all of them."""
    from imagemake.config.load import read_campaign
    from imagemake.core.errors import InterruptedByUserError
    from imagemake.core.problems import Problem, UserError
    from imagemake.store.store import Store
    from imagemake.store.team.team_cache import TeamCache
    from imagemake.store.team.team_store import open_team_store, warn_in

    campaign = read_campaign(options.config)
    if campaign.store.remote is None:
        remedy = "Add its address: store: {remote: s3://bucket/prefix}."
        raise UserError(Problem(str(options.config), "it names no team store", remedy))
    if not options.store.is_dir():
        remedy = "Run this where the Snakefile is, or name the store with --store."
        raise UserError(Problem(str(options.store), "there is no store", remedy))
    warn = warn_in("imagemake")
    team = open_team_store(campaign.store, warn)
    if team is None:
        return 1
    team_cache = TeamCache(team, Store(options.store), campaign.campaign, "share")
    try:
        due = team_cache.lacking()
        if due is None:
            return 1
        if options.dry_run:
            print(f"{len(due):,} images of {options.store} are not in {team.address} yet.")
            return 0
        given = team_cache.give_all(due, _tell_progress)
    except KeyboardInterrupt:
        team_cache.close(finish=False)
        what = "\nStopped. What has arrived stays, and the next `imagemake share` sends the rest."
        raise InterruptedByUserError(what) from None
    team_cache.close()
    print(f"imagemake: {given:,} of {len(due):,} images put into {team.address}; the others were there already.")
    return 0 if given == len(due) else 1


def _tell_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,} images", end="" if done < total else "\n", file=sys.stderr, flush=True)
