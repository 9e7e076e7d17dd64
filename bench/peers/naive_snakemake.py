"""Snakemake with one job per image and stage: naive.smk on all cores.

``python naive_snakemake.py CATALOG FOLDER`` brings a folder up to date with a catalog.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE, CATALOG, FOLDER = Path(__file__).resolve().parent, Path(sys.argv[1]).absolute(), Path(sys.argv[2])

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = str(HERE)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(HERE / "naive.smk"), "--directory", str(FOLDER)]
    # A killed job leaves no mark on its file that a user could trust; this option makes it again.
    command += ["--cores", "all", "--scheduler", "greedy", "--rerun-incomplete", "--nolock"]
    os.execv(sys.executable, [*command, "--config", f"catalog={CATALOG}", f"python={sys.executable}"])
