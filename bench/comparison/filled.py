"""Many images without making them: folders are filled as a run leaves them, with tiny images."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fake_openai import FakeOpenAI, Settings

from comparison.cases import write_catalog
from comparison.contestants import SCRIPT, environment_of_process
from comparison.processes import Runner

SIZES = (100_000, 1_000_000)
SCRIPT_MOST = 100_000  # it has a file per row, and looks at all of them


def ours(n: int, runner: Runner, root: Path, *, kept: Path | None = None) -> dict[str, Any]:
    """Measure imagemake's first release of a filled project, nothing to do, and one row edited.

    Args:
        n: Number of images.
        runner: Runs programs.
        root: An empty folder.
        kept: A project of `bench/large.py` with as many images; it gets its row back. By default, one is filled.
    """
    import large
    from workflow.project import Project

    if kept is None:
        project = Project(root / "project", rows=n, **large.CONFIG)
        large.fill(project.folder)
    else:
        project = large.kept(kept.absolute())
        if len(project.rows) != n:
            raise SystemExit(f"{kept} has {len(project.rows):,} rows, and not {n:,}.")
    command = ["env", "--chdir", str(project.folder), sys.executable, "-m", "snakemake", "--cores", "all"]

    def run(*arguments: str) -> dict[str, Any]:
        used = runner.run([*command, *arguments], root / "log", environment_of_process())
        return {**asdict(used), "load": os.getloadavg()[0]}

    is_released = (project.folder / "results" / "manifest.csv").exists()
    cases = {} if is_released else {"plan of a first release": run("-n"), "first release": run()}
    cases["nothing to do"] = run()
    before = project.rows[n // 2]["product"]
    project.edit_row(n // 2, product=f"teapot {os.getpid()}")
    cases |= {"one row edited, dry run": run("-n"), "one row edited": run()}
    project.edit_row(n // 2, product=before)
    return cases


def script(n: int, runner: Runner, root: Path) -> dict[str, Any]:
    """Measure the script by hand in the same cases."""
    from peers.pixel_work import measured, read_catalog
    from PIL import Image

    catalog, folder = root / "catalog.csv", root / "script"
    write_catalog(catalog, n)
    (folder / "rows").mkdir(parents=True)
    file = {"bytes": 1_500_000, "format": "PNG"}
    common = measured("", "", Image.effect_noise((1024, 1024), 50).convert("RGB")) | file
    for row in read_catalog(catalog):
        digest = hashlib.sha256(f"{row['name']} {row['prompt']}".encode()).hexdigest()
        done = {**common, **row, "phash": digest[:16], "colors": digest[:54], "sha256": digest}
        (folder / "rows" / f"{digest[:32]}.json").write_text(json.dumps(done))
    with FakeOpenAI(Settings(prepare=("1024x1024:png",))) as server:
        runner = Runner([server.pid])

        def run() -> dict[str, Any]:
            environment = {**environment_of_process(), **server.environment}
            return asdict(
                runner.run([*SCRIPT.command(catalog, folder), "--no-near-duplicates"], root / "log", environment)
            )

        cases = {"nothing to do": run()}
        write_catalog(catalog, n, edited=n // 2)
        return {**cases, "one row edited": run()}
