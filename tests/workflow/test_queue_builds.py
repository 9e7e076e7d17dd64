"""A build whose images come from a provider's queue."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from fake_queue import FakeQueue
from workflow.project import wait_for_group
from workflow.queue_killing import queue_project

from imagemake.store.journal import read_calls
from imagemake.store.ledger import sum_calls


def submissions(server):
    return sum(call.startswith("POST") for call in server.asked)


def ledger_usd(made):
    return float(sum_calls(read_calls(made.folder / "store" / "journal"), ["campaign"]).total.billed_usd)


def test_what_was_submitted_is_never_submitted_again(tmp_path):
    with FakeQueue("fal") as server:
        made = queue_project(tmp_path / "project", server, "fal-ai/flux-2-pro", 3)
        made.edit_row(2, product="weapon")
        made.snakemake(expect=1)
        assert len(made.images()) == 2
        assert made.manifest()["S002"]["verdict"] == "refused"
        assert ledger_usd(made) == server.billed_usd() == 0.08
        made.snakemake(expect=None)
        assert submissions(server) == 3, "a refusal is final, and so is an image"

        made.edit_row(2, product="lamp")
        made.write_config(limits={**made.config["limits"], "grace_s": 0.0})
        server.latency_s = (600, 600)
        run = subprocess.Popen(
            made.command(), cwd=made.folder, env=made.environment(), stderr=subprocess.PIPE, start_new_session=True
        )
        while not any(call.submitted and not call.closed for call in read_calls(made.folder / "store" / "journal")):
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGINT)
        told = run.stderr.read().decode()
        wait_for_group(run)
        assert run.returncode == 130
        log = "".join(path.read_text() for path in made.folder.glob("logs/generate/*.log"))
        assert "1 call in the provider's queue: the next run asks for what was submitted" in told + log

        dry = made.snakemake("-n")
        assert "Open at the provider: 1 call in its queue" in dry.stderr
        assert "1 to generate: waiting in the provider's queue" in dry.stderr
        assert submissions(server) == 4

        (waiting,) = [job for job in server.jobs.values() if job.state != "made" and "lamp" in job.prompt]
        waiting.ready_at = time.time()
        made.snakemake()
        assert len(made.images()) == 3
        assert submissions(server) == 4
        assert round(ledger_usd(made), 6) == round(server.billed_usd(), 6) == 0.12
