"""Campaigns on Kubernetes, whose jobs share a bucket and no disk: each runs in an empty folder, with few variables."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_openai import Settings
from kubernetes_api import a_cluster
from s3_server import SECRET_KEY, an_s3_server
from slurm_cluster import install_plugin
from workflow.project import TIMEOUT_S, Project, wait_until

from imagemake.store.journal import Outcome, read_calls

SNAKEFILE = """
from imagemake.workflow.installed import SNAKEFILE

module imagemake:
    snakefile: SNAKEFILE

use rule * from imagemake
"""
IMAGE, BUCKET = "our-registry/imagemake:1", "our-images"  # those of the profile, which is used as it is
SHARED = {"store": {"remote": f"s3://{BUCKET}/store", "share": "everything"}}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """Folders of the storage plug-in, which is in the image too, and of what only the main process has."""
    folders = [tmp_path_factory.mktemp(name) for name in ("bucket", "kubernetes")]
    for folder in folders:
        if reason := install_plugin(folder, f"requirements-{folder.name[:-1]}.txt"):
            pytest.skip(reason)
    sys.path.append(str(folders[1]))
    yield folders
    sys.path.remove(str(folders[1]))


@pytest.fixture
def kubernetes(plugins, tmp_path, monkeypatch):
    """A cluster, the S3 server that its pods use, and what starts a run of a project there."""
    with an_s3_server(tmp_path / "s3", BUCKET) as s3:
        for name, value in s3.environment().items():
            monkeypatch.setenv(name, value)
        in_image = [str(plugins[0]), os.environ.get("PYTHONPATH", "")]
        known = {name: value for name, value in s3.environment().items() if "KEY" not in name}
        known["PYTHONPATH"] = os.pathsep.join(in_image)
        known["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        with a_cluster(tmp_path / "pods", IMAGE, environment=known) as cluster:
            here = {"PYTHONPATH": os.pathsep.join([str(plugins[1]), *in_image])}
            here["KUBECONFIG"] = str(cluster.folder / "kubeconfig")

            def start(project, *more):
                command = [sys.executable, "-m", "snakemake", "--profile", "profiles/kubernetes", "--jobs", "2"]
                return subprocess.Popen(
                    [*command, "--seconds-between-status-checks", "1", *more],
                    cwd=project.folder,
                    env={**project.environment(), **here},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )

            yield SimpleNamespace(cluster=cluster, s3=s3, start=start)


def test_a_pod_out_of_memory_costs_calls_in_flight_and_another_folder_that_has_the_bucket_makes_the_release(
    server, kubernetes, tmp_path
):
    server.renew(Settings(any_size=True, latency_s=2.0))
    ann, bob = (Project(tmp_path / name, server, rows=12, batch_size=6, **SHARED) for name in ("ann", "bob"))
    (ann.folder / "Snakefile").unlink()
    (ann.folder / "Snakefile").write_text(SNAKEFILE)
    cluster, raw = kubernetes.cluster, kubernetes.s3.folder / BUCKET / "store" / "raw"
    run = kubernetes.start(ann, "--until", "generate")
    wait_until(lambda: len(list(raw.glob("*/*/*.png"))) >= 3 and len(cluster.running("generate")) == 2, run)
    cluster.run_out_of_memory(cluster.running("generate")[0])
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 1, output
    assert "ran out of memory" in output
    server.wait_until_idle()
    kept = {path.name for path in raw.glob("*/*/*.png")}
    assert 6 <= len(kept) < 12, f"all of one job, and some of the other: {output}"

    server.change(latency_s=0.0)
    run = kubernetes.start(ann)
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, output
    assert len(ann.images()) == 12
    assert kept <= {path.name for path in raw.glob("*/*/*.png")}
    billed = server.totals().billed_by_prompt
    assert len(billed) == 12
    unknown = [call for call in read_calls(ann.folder / "store" / "journal") if call.outcome is Outcome.UNKNOWN]
    assert sum(billed.values()) - 12 <= len(unknown) <= 4, "only calls in flight of the job that was killed"

    assert not any(cluster.objects.values()), "no secret and no job stays"
    jobs = [text for kind, text in cluster.ever if kind == "jobs"]
    assert len(jobs) >= 6
    assert not [text for text in jobs if "sk-stand-in" in text or SECRET_KEY in text]

    bob.snakemake()
    assert sum(server.totals().billed_by_prompt.values()) == sum(billed.values())
    assert {name: data for name, (_, data) in bob.images().items()} == {
        name: data for name, (_, data) in ann.images().items()
    }
