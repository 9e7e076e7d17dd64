"""Campaigns on a Slurm cluster whose nodes share this machine's disk and keep no accounting records."""

import os
import re
import subprocess
import sys
from collections import Counter

import orjson
import pytest
from fake_openai import Settings
from gpus import install_recorded
from slurm_cluster import asked, cluster, install_plugin, jobs, why_not
from workflow.project import TIMEOUT_S, Project, wait_until

from imagemake.store.journal import Outcome, read_calls

PROFILE = ("--profile", "profiles/slurm")
SOON = ("--slurm-init-seconds-before-status-checks", "2")
LATE_S = 1.5  # that the first call may take longer to arrive than the last


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The cluster, and the folder of the plug-in."""
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm")
    if reason := install_plugin(folder / "plugin"):
        pytest.skip(reason)
    with cluster(folder / "cluster"):
        yield folder / "plugin"


@pytest.fixture
def start(slurm):
    """Starts runs of a project with the profile for Slurm."""

    def started(made, *options):
        path = os.pathsep.join([str(slurm), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", "snakemake", *PROFILE, *SOON, *options]
        environment = {**made.environment(), "PYTHONPATH": path}
        to = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=made.folder, env=environment, stdout=to, stderr=subprocess.STDOUT, text=True
        )

    return started


def test_limits_and_budget_hold_over_both_nodes_and_rounds_and_release_are_local(start, project, server):
    server.renew(Settings(any_size=True, latency_s=2.5))
    made = project(rows=12, batch_size=6, budget_usd={"run": 0.036}, limits={"in_flight": 4, "images_per_min": 90})
    run = start(made)
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 1, output
    assert "Budget of this run" in output

    ran = [(comment.split("_")[1], node) for comment, node, state in jobs("%k", "%N", "%T") if state == "COMPLETED"]
    assert Counter(rule for rule, _ in ran) == {"generate": 2, "validate": 2, "postprocess": 2}
    assert {node for rule, node in ran if rule == "generate"} == {"n1", "n2"}
    totals, calls = server.totals(), sorted(call.arrived_s for call in server.calls())
    assert totals.most_in_flight <= 4
    assert totals.total_usd <= 0.036
    assert 6 <= len(made.images()) == len(calls) < 12
    least_s = 60 / 90 * (len(calls) - 1) - LATE_S
    assert calls[-1] - calls[0] > least_s, f"90 images per minute over both jobs: {calls}"


def test_jobs_that_slurm_ends_lose_nothing_that_was_paid_for_and_the_next_run_goes_on(start, project, server):
    server.renew(Settings(any_size=True, latency_s=4.0))  # so that both jobs run at once, whichever starts first
    made = project(rows=16, batch_size=8, limits={"in_flight": 4}, job_minutes=0.1)
    run = start(made)
    wait_until(lambda: len(made.raw_files()) >= 5 and len(running()) == 2, run)
    cancelled, killed = running()
    subprocess.run(["scancel", cancelled], check=True)
    subprocess.run(["scancel", "--full", "--signal=KILL", killed], check=True)  # as for want of memory
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 1, output
    states = {number: state for number, state in jobs("%i", "%T") if number in (cancelled, killed)}
    assert states[cancelled] == "CANCELLED" and states[killed] in ("FAILED", "CANCELLED"), states
    server.wait_until_idle()
    kept = {path.name: path.read_bytes() for path in made.raw_files()}
    assert 5 <= len(kept) < 16

    done = made.snakemake()  # on this machine: sooner than on the cluster, and the store is the same
    # 6 s hold two images, because a job has two of the four calls in flight, and each takes 4 s.
    assert re.search(r"jobs to generate of up to 2 images: about \d s each.*, at 2\.\d\d s per image", done.stderr)
    assert len(made.images()) == 16
    assert {path.name: path.read_bytes() for path in made.raw_files() if path.name in kept} == kept
    billed = server.totals().billed_by_prompt
    assert len(billed) == 16
    paid_again = sum(billed.values()) - 16
    assert paid_again == len(lost_in(made)) <= 2, "only calls in flight of the job that was killed"


def test_a_model_in_the_job_gets_one_gpu_and_two_jobs_never_share_it(start, tmp_path, monkeypatch):
    told = install_recorded(tmp_path / "installed", monkeypatch, takes_s=1)
    model = {"provider": "on-cards", "name": "preview-1", "parameters": {"size": "96x96"}}
    made = Project(tmp_path / "project", rows=4, model=model, batch_size=2)
    run = start(made, "--until", "generate", "--set-resources", "generate:slurm_partition=gpu")
    one_waits = [["gpu", "PENDING", "Resources", "1"], ["gpu", "RUNNING", "None", "1"]]  # of the node's four cores
    wait_until(lambda: sorted(one for one in jobs("%P", "%T", "%r", "%C") if one[0] == "gpu") == one_waits, run)
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, output

    cards, spans = set(), {}
    for card, job, begun, ended in map(orjson.loads, told.read_bytes().splitlines()):
        cards.add(card)
        spans.setdefault(job, []).extend([begun, ended])
    assert cards == {"0"}, "the number of the card, from Slurm"
    first, second = sorted(spans.values())
    assert max(first) < min(second)
    for job in spans:
        assert "TresPerJob=gres:gpu:1" in "".join(asked("scontrol", "show", "job", job)), "what it asked for"


def lost_in(made):
    """Calls whose process was killed before the response."""
    return [call for call in read_calls(made.folder / "store" / "journal") if call.outcome is Outcome.UNKNOWN]


def running():
    """Numbers of the jobs that generate."""
    found = jobs("%i", "%k", "%T")
    return [number for number, comment, state in found if comment.startswith("rule_generate") and state == "RUNNING"]
