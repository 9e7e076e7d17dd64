"""A build whose server it starts itself: made, killed in the middle, finished, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from folders import TESTS
from workflow.project import Project, kill_group, wait_for_group

SERVE = f"import sys; sys.path.insert(0, {str(TESTS)!r}); from fake_openai.__main__ import main; main()"
FACTS = {"openai": {"gpt-image-2": {"size_rule": {"min_edge_px": 16}, "batch_edit_sizes": None}}}


@pytest.fixture
def project(tmp_path):
    """A project of 20 images, whose server takes 0.3 s per image."""
    command = [sys.executable, "-c", SERVE, "--port", "{port}", "--any-size", "--latency", "0.3"]
    command += ["--record", "record.jsonl"]
    server = {"command": command, "ready": "/_settings"}
    model = {"provider": "openai", "name": "gpt-image-2", "key_from": "OPENAI_API_KEY", "server": server}
    model["parameters"] = {"size": "96x96", "quality": "low"}
    made = Project(tmp_path / "project", rows=20, model=model, models=FACTS, limits={"in_flight": 4})
    yield made
    wait_until(lambda: not running_in(made.folder))


def running_in(folder, program=b"\0"):
    """Live processes that were started in a folder, with some words in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes()
            if (entry / "cwd").readlink() == folder and program in line:
                found.append(int(entry.name))
    return found


def wait_until(claim):
    """Wait until something is so."""
    ends = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < ends, "this does not come true"
        time.sleep(0.05)


def calls(project):
    with suppress(FileNotFoundError):
        return [json.loads(line) for line in (project.folder / "record.jsonl").read_text().splitlines()]
    return []


def test_a_killed_build_leaves_no_server_and_the_next_one_finishes(project):
    run = project.start()
    wait_until(lambda: len(calls(project)) >= 3)
    kill_group(run)
    wait_until(lambda: not running_in(project.folder))
    killed = len(project.raw_files())
    assert 0 < killed < 20
    done = project.snakemake()
    assert "Starts" in done.stderr
    assert not running_in(project.folder, b"fake_openai"), "the server has ended when the command returns"
    wait_until(lambda: not running_in(project.folder))
    assert len(project.images()) == 20
    billed = [call for call in calls(project) if call["billed"]]
    assert len(billed) <= 20 + 4, "only calls in flight are made again"
    (log,) = project.folder.glob("logs/servers/*.log")
    assert log.read_text().count("imagemake starts") == 1, "one server for all jobs and rounds"
    before = len(calls(project))
    project.snakemake()
    assert len(calls(project)) == before
    assert log.read_text().count("imagemake starts") == 1, "nothing to do starts nothing"


def test_ctrl_c_lets_calls_land_and_ends_the_server(project):
    run = project.start()
    wait_until(lambda: len(calls(project)) >= 2)
    os.killpg(run.pid, signal.SIGINT)
    run.wait(60)
    wait_for_group(run)
    assert run.returncode == 130
    assert not running_in(project.folder, b"fake_openai")
    assert len(project.raw_files()) == sum(call["billed"] for call in calls(project)), "all calls in flight landed"
