"""Campaigns whose jobs share a bucket and no disk: each runs in an empty folder, with a few environment variables."""

import os
import signal
import subprocess
import sys

import pytest
from fake_openai import Settings
from folders import TESTS
from s3_server import an_s3_server
from slurm_cluster import install_plugin
from workflow.project import TIMEOUT_S, Project, wait_until

from imagemake.store.journal import Outcome, read_calls

SNAKEFILE = """
from imagemake.workflow.installed import SNAKEFILE

module imagemake:
    snakefile: SNAKEFILE

use rule * from imagemake
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """Folders of the plug-ins."""
    folder = tmp_path_factory.mktemp("plugins")
    if reason := install_plugin(folder, "requirements-bucket.txt"):
        pytest.skip(reason)
    return [TESTS / "bare_executor", folder]


@pytest.fixture
def s3(tmp_path, monkeypatch):
    with an_s3_server(tmp_path / "s3", "ours") as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def test_a_killed_job_costs_calls_in_flight_and_another_folder_that_has_the_bucket_makes_the_release(
    server, s3, plugins, tmp_path
):
    server.renew(Settings(any_size=True, latency_s=2.0))
    shared = {"store": {"remote": "s3://ours/store", "share": "everything"}}
    ann, bob = (Project(tmp_path / name, server, rows=12, batch_size=6, **shared) for name in ("ann", "bob"))
    (ann.folder / "Snakefile").unlink()
    (ann.folder / "Snakefile").write_text(SNAKEFILE)
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    run = start(ann, plugins, jobs, s3, "--until", "generate")
    raw = s3.folder / "ours" / "store" / "raw"
    wait_until(lambda: len(list(raw.glob("*/*/*.png"))) >= 3 and len(list(jobs.glob("generate-*.pid"))) == 2, run)
    os.killpg(int(next(jobs.glob("generate-*.pid")).read_text()), signal.SIGKILL)
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 1, output
    server.wait_until_idle()
    kept = {path.name for path in raw.glob("*/*/*.png")}
    assert 6 <= len(kept) < 12, "all of one job, and some of the other"

    server.change(latency_s=0.0)
    run = start(ann, plugins, jobs, s3)
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, output
    assert len(ann.images()) == 12
    assert kept <= {path.name for path in raw.glob("*/*/*.png")}
    billed = server.totals().billed_by_prompt
    assert len(billed) == 12
    unknown = [call for call in read_calls(ann.folder / "store" / "journal") if call.outcome is Outcome.UNKNOWN]
    assert sum(billed.values()) - 12 <= len(unknown) <= 4, "only calls in flight of the job that was killed"

    bob.snakemake()
    assert sum(server.totals().billed_by_prompt.values()) == sum(billed.values())
    assert {name: data for name, (_, data) in bob.images().items()} == {
        name: data for name, (_, data) in ann.images().items()
    }


def start(project, plugins, jobs, s3, *more):
    """Start a run whose jobs share no disk."""
    names = [*s3.environment(), "OPENAI_API_KEY"]
    command = [sys.executable, "-m", "snakemake", "--executor", "bare", "--jobs", "2", "--shared-fs-usage", "none"]
    command += ["--seconds-between-status-checks", "1"]
    command += ["--default-storage-provider", "s3", "--default-storage-prefix", "s3://ours/runs/ann"]
    path = os.pathsep.join([*map(str, plugins), os.environ.get("PYTHONPATH", "")])
    environment = {**project.environment(), "PYTHONPATH": path, "SNAKEMAKE_BARE_FOLDERS": str(jobs)}
    to = subprocess.PIPE
    return subprocess.Popen(
        [*command, *more, "--envvars", *names],
        cwd=project.folder,
        env=environment,
        stdout=to,
        stderr=subprocess.STDOUT,
        text=True,
    )
