"""`imagemake track`: add the store, images, and tables to DVC."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DESCRIPTION = """\
Adds the store, the released images, and the tables to DVC. You can then send them to your team's storage with
`dvc push`. After `dvc pull`, a clone has every image and builds nothing again. The command also copies the measures
from work/ to store/measures, so that a clone does not have to measure every image again. It writes store.dvc,
results/images.dvc, and dvc.lock; commit these files to git.

`dvc repro` and `imagemake release` do the same automatically. Nothing is sent.
"""
EXAMPLES = """\
examples:
  track a build that you made without `dvc repro`
    snakemake && imagemake track && git add -A && git commit -m "More mugs" && dvc push
"""


def add_track_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake track`."""
    parser.set_defaults(run=run_track)


def run_track(_: argparse.Namespace) -> int:
    """Add everything to DVC."""
    from imagemake.core.problems import Problem, UserError
    from imagemake.store.kept_measures import keep_measures
    from imagemake.store.layout import STORE, WORK
    from imagemake.store.store import Store
    from imagemake.versions.dvc import Dvc
    from imagemake.workflow.run_lock import hold_run_lock

    dvc = Dvc(Path())
    if not dvc.is_there():
        raise UserError(Problem(".dvc", "this project does not use DVC.", "To set DVC up, run: imagemake init --dvc"))
    with hold_run_lock():
        keep_measures(Store(STORE), WORK)
        print("imagemake: tracking store, images, and tables with DVC", file=sys.stderr, flush=True)
        dvc.track()
    return 0
