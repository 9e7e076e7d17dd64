"""Killed while a batch is out, the next run picks it up: nothing is submitted twice."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from workflow.project import kill_group, wait_for_group

KILLS = 3


def test_sigkill_while_a_batch_is_out_submits_nothing_twice(project, server):
    chance = random.Random(20261124)
    server.change(batches={"duration_s": 4.0})
    made = project(rows=6, model={"mode": "batch"})
    for _ in range(KILLS):
        run = made.start()
        while not list(made.folder.glob("store/submissions/*.lock")) and run.poll() is None:
            time.sleep(0.02)
        # From before the upload to the collecting, once a later run is up again.
        time.sleep(chance.uniform(0, 4))
        kill_group(run)
    made.snakemake()
    assert len(made.images()) == 6
    assert server.totals().billed_calls == 6
    told = sum(record.get("cost_usd", 0) for record in made.journal("closed"))
    assert told == pytest.approx(server.totals().total_usd, abs=1e-5)
    assert not list(made.folder.glob("store/submissions/*.json"))


def test_a_polite_stop_leaves_the_batch_at_the_provider_and_says_so(project, server):
    server.change(batches={"duration_s": 4.0})
    made = project(rows=4, model={"mode": "batch"})
    run = made.start()
    while not server.totals().calls and run.poll() is None:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)
    wait_for_group(run)
    assert run.returncode != 0
    (log,) = made.folder.glob("logs/generate/*.log")
    assert "the next run picks its results up" in log.read_text()
    dry = made.snakemake("-n").stderr
    assert "waiting in a batch" in dry
    assert "picking up costs nothing more" in dry
    assert "Cost: none." in dry
    made.snakemake()
    assert len(made.images()) == 4
    assert server.totals().billed_calls == 4


def test_a_batch_costs_half_of_what_single_calls_cost(project, server):
    made = project(rows=4, model={"mode": "batch"})
    made.snakemake()
    in_batch_usd = made.metrics()["cost_usd_total"]
    made.delete("store", "work", "results")
    made.write_config(model={**made.config["model"], "mode": "sync"})
    made.snakemake()
    assert made.metrics()["cost_usd_total"] == pytest.approx(2 * in_batch_usd, rel=0.01)
