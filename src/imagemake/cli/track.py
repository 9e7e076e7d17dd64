"""`imagemake track`: what was bought and made, into DVC's care."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Puts the store, the images of the release and its tables under DVC's care: `dvc push` then brings them to the team's
storage, and a clone with `dvc pull` has nothing to make. The measures of work/ are put into store/measures before, so
that a clone need not read every image again. What DVC tracks this way is told in store.dvc, results/images.dvc and
dvc.lock; git keeps these.

`dvc repro` does this by itself after the build, and `imagemake release` as well. Nothing is sent anywhere.
"""
EXAMPLES = """\
examples:
  after a build without `dvc repro`
    snakemake && imagemake track && git add -A && git commit -m "More mugs" && dvc push
"""


def add_track_options(parser: argparse.ArgumentParser) -> None:
    """Say what `imagemake track` takes."""
    parser.set_defaults(run=run_track)


def run_track(_: argparse.Namespace) -> int:
    """Do it."""
    from imagemake.core.problems import Problem, UserError
    from imagemake.store.kept_measures import keep_measures
    from imagemake.store.layout import STORE, WORK
    from imagemake.store.store import Store
    from imagemake.versions.dvc import HELP, Dvc
    from imagemake.workflow.run_lock import hold_run_lock

    dvc = Dvc(Path())
    if not dvc.is_there():
        raise UserError(Problem(".dvc", "this project does not use DVC.", f"Run `dvc init` first. {HELP}"))
    with hold_run_lock():
        keep_measures(Store(STORE), WORK)
        dvc.track()
    return 0
