"""A campaign through OpenRouter, against the stand-in: what is billed is in the ledger, and nothing is paid twice."""

from __future__ import annotations

import pytest
from fake_openrouter import STAND_IN_KEY, FakeOpenRouter, Rule
from workflow.project import Project


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", STAND_IN_KEY)
    with FakeOpenRouter(rules=[Rule("bottle", "moderation")]) as running:
        yield running


def test_a_campaign_pays_what_the_server_bills_and_once(server, tmp_path):
    model = {
        "provider": "openrouter",
        "name": "black-forest-labs/flux.2-pro",
        "base_url": server.base_url,
        "identity": "openrouter",
        "key_from": "OPENROUTER_API_KEY",
        "parameters": {"size": "3:2@4K", "provider": {"only": ["black-forest-labs"], "allow_fallbacks": False}},
    }
    limits = {"first_wait_s": 0.05, "in_flight": 2}
    made = Project(tmp_path / "project", rows=4, model=model, limits=limits, budget_usd={"run": 5})
    made.imagemake("models", "--update")
    told = made.snakemake("-n", expect=2).stderr
    assert "does not accept resolution '4K'" in told
    assert not server.calls, "a parameter that the server would change is refused before anything is paid"

    made.write_config(model={**model, "parameters": {**model["parameters"], "size": "3:2@1K"}})
    done = made.snakemake(expect=1)
    assert "1 refused by the provider" in done.stderr
    assert len(made.images()) == 3
    assert {call.endpoint for call in server.calls} == {None, "black-forest-labs"}, "None for the refusal"
    billed = [record.get("cost_usd") or 0.0 for record in made.journal("closed")]
    assert sum(billed) == pytest.approx(server.billed_usd, abs=1e-9)
    assert server.billed_usd == 0.09
    assert f"{server.billed_usd:.2f}" in made.imagemake("ledger").stdout
    (refused,) = [record for record in made.journal("closed") if record["outcome"] == "refused"]
    assert "violence" in refused["message"]

    server.credit_usd = 0.0
    made.edit_row(0, color="blue")
    made.edit_row(2, color="blue")
    done = made.snakemake(expect=1)
    assert "https://openrouter.ai/settings/credits" in done.stderr
    prompts = [call.body["prompt"] for call in server.calls[4:]]
    assert 1 <= len(prompts) <= 2 and all("blue" in one for one in prompts), "a refusal is final; images are paid once"
    server.credit_usd = 1.0
    made.snakemake(expect=1)
    assert server.billed_usd == 0.15
    assert len(made.images()) == 3
