"""The build as a DVC stage."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from workflow.project import REPOSITORY


def test_dvc_runs_the_build_records_its_metrics_and_never_touches_the_store(project):
    made = project()
    shutil.copy(REPOSITORY / "dvc.yaml", made.folder)
    shutil.copy(REPOSITORY / ".gitignore", made.folder)
    (made.folder / "src").mkdir()
    environment = made.environment()
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"

    def run(*command):
        done = subprocess.run(command, cwd=made.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("git", "init", "-q")
    run("dvc", "init", "-q")
    run("dvc", "repro", "-q")
    raw = made.raw_files()
    assert (
        json.loads(run("dvc", "metrics", "show", "--json"))[""]["data"]["results/metrics.json"]["data"]["accepted"] == 4
    )
    made.edit_row(1, product="teapot")
    run("dvc", "repro", "-q")
    assert made.calls() == 5
    assert set(raw) < set(made.raw_files())
