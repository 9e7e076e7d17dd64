"""Several models in one campaign: each by its own server, rates and way of asking."""

from __future__ import annotations

import shutil

from fake_openai import Settings


def test_models_of_several_servers_are_compared_in_one_run(project, server, other_server):
    own = {
        "provider": "openai",
        "key_from": "OPENAI_API_KEY",
        "base_url": other_server.base_url,
        "parameters": {"size": "96x96"},
    }
    made = project(
        rows=2,
        more_models={
            "own": {**own, "name": "gpt-image-2"},
            "sketch": {"provider": "preview", "parameters": {"size": "96x96"}},
            "fine": {"parameters": {"size": "96x96", "quality": "high"}},
        },
        variables={"model": ["gpt-image-2", "fine", "own", "sketch"]},
        name="{sku}_{model}",
    )
    dry = made.snakemake("-n")
    assert "8 to generate" in dry.stderr
    made.snakemake()
    assert sorted(made.images()) == sorted(
        f"S00{n}_{model}.jpg" for n in (0, 1) for model in ("gpt-image-2", "fine", "own", "sketch")
    )
    assert (len(other_server.calls()), len(server.calls())) == (2, 4)
    by_model = made.metrics()["by_model"]
    assert {label: numbers["accepted"] for label, numbers in by_model.items()} == {
        "fine": 2,
        "gpt-image-2": 2,
        "own": 2,
        "sketch": 2,
    }
    assert made.jobs(made.snakemake()) == []

    before = len(server.calls())
    made.write_config(variables={"model": ["gpt-image-2", "fine", "own"]})
    made.snakemake()
    assert len(server.calls()) == before, "a model that is compared no longer costs nothing"
    assert "S000_sketch.jpg" not in made.images()


def test_a_rule_moves_just_its_requests_to_another_model(built, server):
    made = built
    made.write_config(more_models={"fine": {"name": "gpt-image-9"}}, model_rules=[])
    assert made.jobs(made.snakemake()) in ([], ["release", "all"])
    made.write_config(
        models={"openai": {"gpt-image-9": {"like": "gpt-image-2", "size_rule": {"min_edge_px": 16}}}},
        model_rules=[{"when": {"product": "mug"}, "model": "fine"}],
    )
    dry = made.snakemake("-n")
    assert "key changed: model" in dry.stderr
    assert "does not exist" in made.snakemake(expect=1).stderr, "the server does not know this model"
    assert [call.model for call in server.calls()] == ["gpt-image-9"]


def test_one_model_in_batches_and_another_one_at_once(project, server):
    made = project(
        rows=2,
        more_models={"cheap": {"mode": "batch", "parameters": {"size": "96x96", "quality": "high"}}},
        variables={"model": ["gpt-image-2", "cheap"]},
        name="{sku}_{model}",
    )
    made.snakemake()
    assert len(made.images()) == 4
    in_batches = {call["recipe"]["parameters"]["quality"] for call in made.journal("sent") if "submission" in call}
    assert in_batches == {"high"}
    assert made.calls() == 4


def test_mode_auto_calls_for_the_pilot_sends_the_rest_as_a_batch_and_calls_for_the_few_that_follow(project, server):
    made = project(rows=4, model={"mode": "auto", "batch_from": 3}, pilot={"size": 1})
    made.snakemake("pilot")
    assert [("submission" in call) for call in made.journal("sent")] == [False]
    assert "gpt-image-2: 3 images in batches" in made.snakemake("-n").stderr
    made.snakemake()
    assert sorted("submission" in call for call in made.journal("sent")) == [False, True, True, True]
    assert made.jobs(made.snakemake()) == []
    assert len(made.images()) == 4


def test_what_the_first_model_refuses_goes_to_the_next_one_and_a_rerun_pays_nothing(project, server, other_server):
    server.renew(Settings(any_size=True, rules=[{"prompt": "bottle", "behavior": "moderation"}]))
    made = project(
        rows=3,
        more_models={"other": {"base_url": other_server.base_url, "identity": "other"}},
        model_rules=[{"model": ["gpt-image-2", "other"]}],
        attempts={"max": 1},
    )
    told = made.snakemake("-n").stderr
    assert (
        "If gpt-image-2 refuses images or has no quota left, other makes them: at most 3 images, about $0.01." in told
    )
    made.snakemake()
    assert sorted(made.images()) == ["S000_red.jpg", "S001_teal.jpg", "S002_gold.jpg"]
    assert (len(server.calls()), len(other_server.calls())) == (3, 1)
    calls = {(call["name"], call["attempt"]): call["recipe"].get("endpoint") for call in made.journal("sent")}
    assert calls["S001_teal", 1] != calls["S001_teal", 0] == calls["S000_red", 0]

    assert made.jobs(made.snakemake()) == []
    shutil.rmtree(made.folder / "work")
    shutil.rmtree(made.folder / "results")
    made.snakemake()
    assert len(made.images()) == 3
    assert (len(server.calls()), len(other_server.calls())) == (3, 1)


def test_a_quota_that_ends_in_the_middle_hands_over_and_the_next_run_asks_again_for_what_is_new(
    project, server, other_server
):
    spent = [{"behavior": "normal", "at_most": 2}, {"behavior": "insufficient_quota"}]
    server.renew(Settings(any_size=True, rules=spent))
    made = project(
        rows=6,
        more_models={"other": {"base_url": other_server.base_url, "identity": "other"}},
        model_rules=[{"model": ["gpt-image-2", "other"]}],
        attempts={"max": 1},
        limits={"in_flight": 1},
        batch_size=2,
    )
    told = made.snakemake().stderr
    assert "no quota is left for gpt-image-2: You exceeded your current quota" in told
    assert ".." not in told
    assert "the next model of a list makes its images. Raise the quota" in " ".join(told.split())
    assert (len(server.calls()), len(other_server.calls())) == (3, 4), "one call met the end, in whichever job"
    assert len(made.images()) == 6
    assert {row["attempts"] for row in made.manifest().values()} == {"1"}

    assert made.jobs(made.snakemake()) == []
    made.delete("work", "results")
    made.snakemake()
    assert (len(server.calls()), len(other_server.calls())) == (3, 4), "a rerun chooses the same and pays nothing"

    made.edit_row(0, product="jug")
    assert "It is asked again; if it still has none, other makes its images." in made.snakemake("-n").stderr
    server.renew(Settings(any_size=True))
    made.snakemake()
    assert (len(server.calls()), len(other_server.calls())) == (1, 4)

    server.renew(Settings(any_size=True, rules=[{"behavior": "insufficient_quota"}]))
    other_server.renew(Settings(any_size=True, rules=[{"behavior": "insufficient_quota"}]))
    made.edit_row(0, product="bowl")
    told = made.snakemake(expect=1).stderr
    assert (len(server.calls()), len(other_server.calls())) == (1, 1), "the last model stops the run"
    assert f"gpt-image-2 at {other_server.base_url}: You exceeded your current quota" in told
