"""Killed while a batch is out, the next run picks it up: nothing is submitted twice."""

from __future__ import annotations

import random
import time

import pytest
from workflow.project import kill_group

KILLS = 2


def test_sigkill_while_a_batch_is_out_submits_nothing_twice(project, server):
    chance = random.Random(20261124)
    server.change(batches={"duration_s": 3.0})
    made = project(rows=6, model={"mode": "batch"})
    for _ in range(KILLS):
        run = made.start()
        while not list(made.folder.glob("store/submissions/*.json")) and run.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 1))
        kill_group(run)
    made.snakemake()
    assert len(made.images()) == 6
    assert server.totals().billed_calls == 6
    told = sum(record.get("cost_usd", 0) for record in made.journal("closed"))
    assert told == pytest.approx(server.totals().total_usd, abs=1e-5)
    assert not list(made.folder.glob("store/submissions/*.json"))
