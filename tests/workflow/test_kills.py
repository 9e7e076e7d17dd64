"""Killed at any moment, the next run finishes, and repeats at most the calls that were in flight."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest
from workflow.project import kill_group, wait_for_group

KILLS = 4
IN_FLIGHT = 4


def test_sigkill_at_random_moments_loses_nothing_and_pays_for_no_key_twice_but_those_in_flight(project, server):
    chance = random.Random(20261123)
    server.change(latency_s=(0.1, 0.6))
    made = project(rows=24, batch_size=20, limits={"in_flight": IN_FLIGHT})
    for _ in range(KILLS):
        before = len(server.calls())
        run = made.start()
        while len(server.calls()) == before and run.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 1.5))
        kill_group(run)
        server.wait_until_idle()
    made.snakemake()
    assert len(made.images()) == 24
    billed = Counter(call.prompt for call in server.calls() if call.billed)
    assert sum(billed.values()) - 24 <= KILLS * IN_FLIGHT
    extra = sum(billed.values()) - len(billed)
    unclosed = len(made.journal("sent")) - len(made.journal("closed"))
    assert extra <= unclosed, "each key that was billed again has a call that the journal calls unknown"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_polite_stop_lets_calls_in_flight_land(project, server, name):
    server.change(latency_s=1.5)
    made = project(rows=12, limits={"in_flight": 8})
    run = made.start()
    while not server.calls():
        time.sleep(0.02)
    time.sleep(0.3)
    # As a terminal does with Ctrl-C: the whole foreground group gets it.
    os.killpg(run.pid, getattr(signal, name))
    wait_for_group(run)
    assert run.returncode != 0
    server.wait_until_idle()
    billed = sum(1 for call in server.calls() if call.billed)
    assert len(made.raw_files()) == billed, "whatever was paid for is in the store"
    assert len(made.journal("sent")) == len(made.journal("closed"))
    server.change(latency_s=0)
    made.snakemake()
    assert len(made.images()) == 12
    assert sum(1 for call in server.calls() if call.billed) == 12
