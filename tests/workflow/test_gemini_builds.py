"""A build through the `gemini` provider: one by one, then in a batch whose run is killed."""

import time
from decimal import Decimal

from fake_gemini import KEY, Behavior, FakeGemini, Rule
from workflow.project import Project, kill_group

from imagemake.store.journal import read_calls
from imagemake.store.ledger import cost_of


def booked_usd(project):
    return sum(cost_of(call) or 0 for call in read_calls(project.folder / "store" / "journal"))


def test_each_image_is_paid_for_once_and_the_ledger_is_what_the_server_bills(tmp_path, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    refused = Rule(Behavior.BLOCKED_PROMPT, "bottle")
    with FakeGemini() as server:
        server.change(rules=(refused, Rule(Behavior.OVERLOADED, "mug", first=1)))
        model = {"provider": "gemini", "name": "gemini-3-pro-image", "base_url": server.base_url}
        model |= {"key_from": "GEMINI_API_KEY", "identity": "stand-in", "parameters": {"size": "3:2@2K"}}
        made = Project(tmp_path / "project", model=model, limits={"first_wait_s": 0.05}, attempts={"max": 1})
        made.snakemake(expect=None)
        assert set(made.images()) == {"S000_red.jpg", "S002_gold.jpg", "S003_red.jpg"}
        assert made.manifest()["S001_teal"]["verdict"] == "refused"
        assert "DANGEROUS_CONTENT: HIGH" in made.manifest()["S001_teal"]["reasons"]
        shown = made.manifest()["S000_red"]
        assert shown["seed_use"] == "sent"
        assert int(shown["seed"]) in {call.seed for call in server.calls}
        calls = len(server.calls)
        made.snakemake(expect=None)
        assert len(server.calls) == calls, "nothing is paid for again, and a refusal is final"

        server.change(rules=(refused,), batch_s=6.0)
        made.rows += [{**row, "sku": f"B{n:03}", "color": "blue"} for n, row in enumerate(made.rows)]
        made.write_catalog()
        made.write_config(model={**model, "mode": "batch"})
        run = made.start()
        while not server.stand.batches.batches and run.poll() is None:
            time.sleep(0.02)
        kill_group(run)
        server.change(batch_s=0.2)
        made.snakemake(expect=None)
        assert len(server.stand.batches.batches) == 1, "the batch of the killed run is collected"
        assert len(made.images()) == server.record.images == 6
        assert abs(booked_usd(made) - server.record.total_usd) < Decimal("0.0001")
        assert server.record.total_usd > 0
