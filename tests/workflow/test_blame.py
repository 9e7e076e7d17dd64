"""Whose fault an error is decides what a run does: two calls tell, nothing is final, and the status says so."""

from __future__ import annotations

import os

from fake_openai import Rule


def last_line(done):
    return done.stderr.strip().splitlines()[-1]


def test_a_wrong_address_costs_two_calls_and_is_asked_again(project, server):
    made = project(rows=8, model={"base_url": f"{server.base_url}/v3"}, limits={"in_flight": 1})
    for _ in range(2):
        done = made.snakemake(expect=1)
        assert len(made.journal("sent")) <= 2 * (1 + _)
        assert "HTTP 404" in done.stderr
        assert "Check model.base_url" in done.stderr
    made.write_config(model={**made.config["model"], "base_url": server.base_url})
    made.snakemake()
    assert len(made.images()) == 8, "nothing was final"


def test_a_refused_prompt_is_missing_and_the_status_says_so_also_when_nothing_is_left_to_do(project, server):
    server.change(rules=[Rule(prompt="mug", behavior="moderation").model_dump()])
    made = project(limits={"tries": 4, "first_wait_s": 0.01})
    for _ in range(2):
        done = made.snakemake(expect=1)
        words = "imagemake: 1 image is missing from results/: 1 refused by the provider."
        assert words in done.stderr
        assert made.manifest()["S000_red"]["verdict"] == "refused"
        assert made.calls() == 4, "a refusal is not repeated, nor by the next run"
    assert made.snakemake("-n").returncode == 0


def test_a_dry_run_warns_of_a_missing_key_and_a_mistyped_model(preview, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    made = preview(model={"provider": "openai", "name": "gpt-imge-2", "parameters": {"size": "1024x1024"}})
    monkeypatch.setattr(made, "environment", lambda: dict(os.environ))
    told = made.snakemake("-n").stderr
    assert "OPENAI_API_KEY is not set in the environment" in told
    assert "Did you mean 'gpt-image-2'?" in told
