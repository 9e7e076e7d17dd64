"""Killed at any moment, the next run finishes, and repeats at most the calls that were in flight."""

from __future__ import annotations

import os
import signal
import time

import pytest
from workflow.killing import kill_and_finish
from workflow.project import wait_for_group


@pytest.mark.parametrize(("mode", "kills"), [("sync", 3), ("batch", 3)])
def test_sigkill_at_random_moments_loses_nothing_and_pays_for_no_key_twice_but_those_in_flight(tmp_path, mode, kills):
    books = kill_and_finish(tmp_path / "project", mode, kills, seed=20261123)
    assert all(books.claims.values()), books
    if mode == "batch":
        assert books.again == 0, "a batch is taken up, never submitted again"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_polite_stop_lets_calls_in_flight_land(project, server, name):
    server.change(latency_s=1.5)
    made = project(rows=12, limits={"in_flight": 8})
    run = made.start()
    while not server.calls():
        time.sleep(0.02)
    time.sleep(0.3)
    # As a terminal does with Ctrl-C: the whole foreground group gets it. A service manager signals one process.
    (os.kill if name == "SIGTERM" else os.killpg)(run.pid, getattr(signal, name))
    run.wait(60)
    assert not server.totals().in_flight, "Snakemake waits for them too"
    wait_for_group(run)
    assert run.returncode == 130
    server.wait_until_idle()
    billed = sum(1 for call in server.calls() if call.billed)
    assert len(made.raw_files()) == billed, "whatever was paid for is in the store"
    assert len(made.journal("sent")) == len(made.journal("closed"))
    server.change(latency_s=0)
    made.snakemake()
    assert len(made.images()) == 12
    assert sum(1 for call in server.calls() if call.billed) == 12
