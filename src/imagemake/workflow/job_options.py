"""The options that all scripts of jobs have in common."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from imagemake.core.errors import exit_on_error
from imagemake.core.garbage import collect_rarely
from imagemake.store.whole.shared_work import shared_work
from imagemake.store.whole.work_files import bring_settings


def job_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse a script's options, add where the project is, enter that folder, and collect garbage rarely.

    Snakemake passes paths that are relative to its working folder. If the workflow is a module with a prefix, the
    project is the folder of that name, and everything that a campaign names is relative to it.
    """
    collect_rarely()
    parser.add_argument("--project", type=Path, default=Path(), help="folder of the project; default: this folder")
    parser.add_argument("--store", type=Path, default=Path("store"), help="below the project; default: store")
    parser.add_argument("--work", type=Path, default=Path("work"), help="below the project; default: work")
    options = parser.parse_args()
    if options.project != Path():
        for name, value in vars(options).items():
            if isinstance(value, Path) and name not in ("project", "store", "work"):
                setattr(options, name, Path(os.path.relpath(value, options.project)))
        os.chdir(options.project)
    settings, place = getattr(options, "settings", None), shared_work()
    if settings is not None and place is not None and not settings.exists():
        with exit_on_error():
            bring_settings(place, options.work, settings)
    return options
