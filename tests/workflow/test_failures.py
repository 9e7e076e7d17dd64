"""What goes wrong on the way: retried, reported, never lost, never paid for twice."""

from __future__ import annotations

import time

import orjson
import pytest
from fake_openai import Rule
from webhook import a_webhook

RETRY = {"tries": 4, "first_wait_s": 0.01}


def rules(server, *given):
    server.change(rules=[rule.model_dump() for rule in given])


def test_rejected_images_get_another_seed_and_a_patched_prompt_and_cost_what_the_server_billed(project, server):
    rules(server, Rule(prompt="mug", behavior="blank", at_most=1))
    made = project(attempts={"patches": {"tone": "Bright studio light."}})
    made.snakemake()
    prompts = [call.prompt for call in server.calls() if "mug" in call.prompt]
    assert len(prompts) == 2
    assert prompts[1] == f"{prompts[0]} Bright studio light."
    row = made.manifest()["S000_red"]
    assert (row["verdict"], row["attempt"]) == ("accepted", "1")
    assert len(made.images()) == 4
    assert made.calls() == made.metrics()["calls"] == 5
    assert made.metrics()["cost_usd_total"] == pytest.approx(server.totals().total_usd, abs=1e-6)


def test_what_is_bad_in_every_attempt_is_left_out_and_listed_for_review(project, server):
    rules(server, Rule(prompt="mug", behavior="blank"))
    made = project(attempts={"max": 2})
    done = made.snakemake(expect=1)
    assert made.calls() == 5
    assert "1 were rejected in every attempt" in done.stdout + done.stderr
    assert "S000_red.jpg" not in made.images()
    assert made.manifest()["S000_red"]["verdict"] == "rejected"
    assert made.metrics()["rejected"] == 1
    assert made.jobs(made.snakemake(expect=1)) == [], "nothing is tried for ever"
    _, row = (made.folder / "results/review.csv").read_text().splitlines()
    key = row.split(",")[0]
    (made.folder / "config/reviews.csv").write_text(f"key,decision,note,reviewer,time\n{key},approve,art,kim,\n")
    made.snakemake()
    assert "S000_red.jpg" in made.images(), "a person approved it"
    assert made.calls() == 5


def test_hostile_images_are_rejected_with_a_reason_and_no_other_is_lost(project, server):
    hostile = {"mug": "truncated", "bottle": "garbage", "chair": "bomb", "lamp": "wrong_size", "book": "empty"}
    rules(server, *(Rule(prompt=product, behavior=behavior) for product, behavior in hostile.items()))
    made = project(rows=7, attempts={"max": 1})
    made.snakemake(expect=1)
    rows = {row["variable.product"]: row for row in made.manifest().values()}
    assert {name for name, row in rows.items() if row["verdict"] == "rejected"} == hostile.keys()
    codes = {product: str(rows[product]["reasons"]).partition(".")[0].partition(":")[0] for product in hostile}
    assert codes == dict.fromkeys(hostile, "file") | {"book": "unreadable"}
    assert len(made.images()) == 2


def test_a_near_duplicate_is_made_anew(project, server):
    rules(server, Rule(prompt="mug|bottle", behavior="same", at_most=2))
    made = project()
    made.snakemake()
    assert made.calls() == 5
    assert len(made.images()) == 4
    later = [row for row in made.manifest().values() if row["attempt"] == "1"]
    assert [row["name"] for row in later] == ["S001_teal"], "the name that sorts first stays"


def test_calls_are_retried_and_what_failed_in_all_tries_is_left_to_the_next_run(project, server):
    later = Rule(prompt="lamp", behavior="rate_limited", first=2, retry_hint="retry-after-ms", retry_after_s=0.05)
    rules(server, Rule(prompt="mug", behavior="server_error"), later)
    made = project(limits=RETRY)
    done = made.snakemake(expect=1)
    assert made.calls() == 2 + 3 + 4
    assert "1 failed: run again" in done.stdout + done.stderr
    assert made.manifest()["S000_red"]["verdict"] == "failed"
    rules(server)
    assert "call without an answer" in made.snakemake().stderr
    assert len(made.images()) == 4


def test_a_call_without_an_answer_is_held_where_the_user_says_so(project, server):
    rules(server, Rule(prompt="mug", behavior="cut_before_answer"))
    made = project(limits={**RETRY, "unknown": "hold"})
    made.snakemake(expect=1)
    assert made.calls() == 4
    dry = made.snakemake("-n")
    assert "1 on hold: a call may have been billed" in dry.stderr
    assert "1 earlier call without an answer may have been billed, at most $0." in dry.stderr
    assert made.metrics()["unknown_calls"] == 1
    assert made.metrics()["unknown_worst_usd"] > 0
    rules(server)
    made.write_config(limits={**made.config["limits"], "unknown": "retry"})
    made.snakemake()
    assert made.calls() == 5
    assert len(made.images()) == 4


def test_an_exhausted_quota_stops_the_run_and_keeps_what_came(project, server):
    made = project(limits={"in_flight": 2})
    for behavior in ("insufficient_quota", "billing_limit"):
        rules(server, Rule(prompt="lamp", behavior=behavior))
        assert "Raise the quota" in made.snakemake(expect=1).stderr
    before = len(made.raw_files())
    rules(server)
    made.snakemake()
    assert len(made.images()) == 4
    billed = [call for call in server.calls() if call.billed]
    assert len(billed) == 4, f"{before} were there before, and none was bought again"


def test_a_wrong_key_stops_the_run_and_says_where_the_right_one_goes(project, server):
    server.change(api_keys=["another"])
    done = project().snakemake(expect=1)
    assert "OPENAI_API_KEY" in done.stderr
    assert "sk-stand-in" not in done.stderr + done.stdout


def test_a_model_that_cannot_do_it_is_told_before_anything_is_spent(project, server):
    made = project(models={})
    made.write_config(models={})
    done = made.snakemake("-n", expect=2)
    assert "config/config.yaml (S000_red and 3 others): size '96x96'" in done.stderr
    made.write_config(model={**made.config["model"], "name": "gpt-image-1", "parameters": {}})
    assert "was shut down" in made.snakemake(expect=2).stderr
    assert made.calls() == 0


def test_no_secret_is_written_anywhere(built):
    for path in built.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"sk-stand-in" not in path.read_bytes(), path


def test_mistakes_are_told_all_at_once_without_a_traceback(project):
    made = project()
    made.edit_row(1, product="")
    made.edit_row(2, color="red", sku="S000")
    done = made.snakemake("-n", expect=2)
    assert "row 3" in done.stderr and "product" in done.stderr
    assert "S000_red" in done.stderr
    assert "Traceback" not in done.stderr
    assert made.calls() == 0


def test_a_mistake_in_the_configuration_names_its_key(project):
    made = project()
    made.write_config(takess=2)
    done = made.snakemake("-n", expect=2)
    assert "takess" in done.stderr and "takes" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_release_that_cannot_be_written_fails_the_run(built):
    made = built
    made.delete("results")
    (made.folder / "results/images/S000_red.jpg").mkdir(parents=True)  # a folder where a file must be
    done = made.snakemake(expect=1)
    assert "Failed: release: " in done.stderr
    assert "(logs/release/all.log)" in done.stderr
    assert "Traceback" not in done.stderr
    made.delete("results/images")
    made.snakemake()
    assert made.calls() == 4


def test_hostile_names_stay_in_the_folder(project):
    made = project()
    made.edit_row(0, sku="../../escape")
    made.edit_row(1, product="$(touch hacked) `touch hacked`; touch hacked {0.__class__}")
    made.snakemake(expect=None)
    outside = {path.name for path in made.folder.parent.iterdir()}
    assert outside == {"project"}
    assert not list(made.folder.rglob("hacked"))


def test_two_runs_in_one_folder_do_not_mix(project, server):
    server.change(latency_s=3)
    made = project()
    with made.start() as first:
        while not server.totals().in_flight:
            time.sleep(0.02)
        second = made.snakemake(expect=2)
        assert "Another run is active in this folder" in second.stderr
    assert first.returncode == 0
    assert made.calls() == 4


def test_a_budget_is_never_exceeded_and_what_it_left_out_is_missing(project, server):
    made = project()
    made.snakemake("results/images/S000_red.jpg")
    each = server.totals().total_usd
    made.write_config(budget_usd={"run": round(each * 2.5, 6)})
    done = made.snakemake(expect=1)
    assert "Budget of this run" in done.stderr
    assert server.totals().total_usd <= each * 3.5
    assert 1 < len(made.images()) < 4
    left_out = [row for row in made.manifest().values() if row["verdict"] == "pending"]
    assert left_out and all(row["reasons"].startswith("budget:") for row in left_out)
    made.write_config(budget_usd={"campaign": round(each * 1.5, 6)})
    calls = made.calls()
    made.snakemake(expect=1)
    assert made.calls() == calls, "what earlier runs spent counts"
    made.write_config(budget_usd={})
    made.snakemake()
    assert len(made.images()) == 4
    assert made.calls() == 4


FLARE = {"name": "gpt-image-2.6-flare"}
SMALL = {"openai": {FLARE["name"]: {"size_rule": {"min_edge_px": 16}}}}


def test_a_cost_that_nobody_has_published_is_unknown_until_calls_have_taught_it_and_a_budget_needs_a_bound(project):
    made = project(model=FLARE)
    made.write_config(models=SMALL, budget_usd={"run": 1.0})
    assert "unknown for 4 images" in made.snakemake("-n").stderr
    made.snakemake(expect=1)
    assert made.calls() == 0
    facts = {**SMALL["openai"][FLARE["name"]], "max_usd_per_image": 0.3}
    made.write_config(models={"openai": {FLARE["name"]: facts}})
    made.snakemake()
    assert made.calls() == 4
    made.edit_row(0, product="teapot")
    told = made.snakemake("-n").stderr
    assert "Cost: about $0." in told
    assert "For 1 image, that is what earlier calls of the same size and quality cost." in told


def test_a_run_tells_what_stopped_it_and_when_it_is_done(project, server, monkeypatch):
    rules(server, Rule(behavior="insufficient_quota"))
    made = project(alerts={"on": ["stopped", "finished", "crashed"]})
    with a_webhook() as webhook:
        monkeypatch.setenv("IMAGEMAKE_ALERTS", webhook.address)
        made.snakemake(expect=1)
        assert [title for title, _ in webhook.told] == ["imagemake: test shop: stopped"]
        assert "quota" in dict(webhook.told)["imagemake: test shop: stopped"]
        webhook.taken.clear()
        rules(server)
        made.snakemake()
        made.snakemake()
        assert [title for title, _ in webhook.told] == ["imagemake: test shop: finished"]


def test_the_best_of_several_candidates_is_released_and_each_is_bought_once(project):
    made = project(rows=3, candidates={"n": 3, "best": {"tone.contrast": 1.0}})
    assert "9 to generate: new" in made.snakemake("-n").stderr
    made.snakemake()
    assert made.calls() == 9
    assert len(made.images()) == 3
    for row in made.manifest().values():
        history = orjson.loads(row["history"])
        assert [earlier["reasons"][0].partition(":")[0] for earlier in history] == ["not_best"] * 2
        assert row["attempts"] == "1"
    assert made.metrics()["first_attempt_success_rate"] == 1
    assert made.metrics()["failed_attempts_by_reason"] == {}
    assert made.jobs(made.snakemake()) == []
    made.write_config(candidates={"n": 4, "best": {"tone.contrast": -1.0}})
    assert "3 to generate: candidate added" in made.snakemake("-n").stderr
    made.snakemake()
    assert made.calls() == 12
