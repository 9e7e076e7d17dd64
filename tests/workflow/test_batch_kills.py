"""Half-price batches in whole builds: interrupted, collected by another run, and their cost."""

from __future__ import annotations

import os
import signal
import time

import pytest
from workflow.project import wait_for_group


def interrupt_with_open_batch(made, server):
    """Start a run, interrupt it as soon as the provider has its batch, and return its exit status."""
    run = made.start()
    while not server.totals().calls and run.poll() is None:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)
    wait_for_group(run)
    return run.returncode


def test_a_polite_stop_leaves_the_batch_at_the_provider_and_says_so(project, server):
    server.change(batches={"duration_s": 4.0})
    made = project(rows=4, model={"mode": "batch"})
    assert interrupt_with_open_batch(made, server) != 0
    (log,) = made.folder.glob("logs/generate/*.log")
    assert "the next run collects their images" in log.read_text()
    dry = made.snakemake("-n").stderr
    assert "waiting in a batch" in dry
    assert "collecting them costs nothing more" in dry
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


def test_a_dry_run_tells_what_of_a_batch_nobody_wants_any_more_and_cancel_frees_it(project, server):
    server.change(batches={"duration_s": 24})
    made = project(rows=4, model={"mode": "batch"})
    interrupt_with_open_batch(made, server)
    made.edit_row(0, product="spoon")
    done = made.snakemake("-n", "--verbose")
    dry = done.stderr
    assert "Open at the provider: 1 batch with 4 images." in dry
    assert "Of these, 1 image no longer requested" in dry
    assert "waiting in a batch (3)" in dry
    assert (done.stdout + dry).count("rule generate:") == 2, "what waits is one job, what is new another"
    done = made.imagemake("batches", "--cancel", "all")
    assert "No open batches." in done.stdout
    server.change(batches={"duration_s": 0.1})
    made.snakemake()
    assert len(made.images()) == 4
    assert server.totals().billed_calls == len(made.raw_files())


def test_what_waits_in_a_batch_holds_no_call_of_a_run_that_asks_one_by_one(project, server):
    server.change(batches={"duration_s": 8})
    made = project(rows=4, model={"mode": "batch"})
    interrupt_with_open_batch(made, server)
    made.rows.append({"sku": "S004", "product": "spoon", "color": "red"})
    made.write_catalog()
    made.write_config(model={**made.config["model"], "mode": "sync"}, limits={**made.config["limits"], "in_flight": 1})
    made.snakemake()
    calls = server.calls()
    assert len(made.images()) == 5
    assert [call.batch_id is None for call in calls].count(True) == 1
    assert len([call for call in calls if call.billed]) == 5
