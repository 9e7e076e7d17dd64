"""A model is asked about images: what is asked, what is kept, and what a change costs."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from fake_openai import Settings

DECISIONS, CHAT, MODERATIONS = "/v1/decisions", "/v1/chat/completions", "/v1/moderations"
COLOR = {"ask": "Is this {product} {color}?", "name": "color"}
SPELLING = {"ask": "Is a word misspelled?", "name": "spelling", "good": "no"}
SEES = (
    {"question": r"\b(red|teal|gold)\b", "tag": "wrong_color"},
    {"question": "misspelled", "tag": "typo", "yes_if_present": True},
)
PRICES = {"as_of": "2026-11-01", "usd_per_million_tokens": {"text_in": 1, "image_in": 1, "image_out": 1}}


def server_of(server: Any) -> dict[str, Any]:
    """Return the keys of a server in the section of a measure."""
    return {"base_url": server.base_url, "identity": "openai", "key_from": "OPENAI_API_KEY"}


def asking(server: Any, *questions: Any, **more: Any) -> dict[str, Any]:
    """Return the section `validation` with a judge."""
    judge = {**server_of(server), "model": "gpt-6-luna", "api": "decisions", "questions": list(questions), **more}
    return {"measures": {"judge": judge}}


def prompts(server: Any, endpoint: str = DECISIONS) -> list[str]:
    """Return what was asked, in order."""
    return sorted(call.prompt for call in server.calls() if call.endpoint == endpoint)


@pytest.fixture
def shop(project: Any, server: Any) -> Any:
    """Four images, of which some have the wrong color, and a judge who sees that."""
    server.renew(Settings(any_size=True, defects={"wrong_color": 0.4}, judge={"sees": SEES}))
    shop = project(rows=4, validation=asking(server, COLOR, SPELLING))
    shop.write_config(models={"openai": {**shop.config["models"]["openai"], "gpt-6-luna": {"prices": PRICES}}})
    return shop


def test_an_answer_is_paid_for_once_whatever_becomes_of_limits_questions_and_work(shop, server):
    plan = shop.snakemake("-n").stderr
    assert "gpt-6-luna is asked about up to 4 images: 8 questions, about $0.00." in plan
    assert prompts(server) == [], "a dry run asks nothing"

    shop.snakemake()
    asked = prompts(server)
    assert asked == sorted(f"Is this {row['product']} {row['color']}?\nIs a word misspelled?" for row in shop.rows)
    rows = shop.manifest()
    wrong = [name for name, row in rows.items() if row["measure.judge.color"] == "0.05"]
    assert wrong, "the stand-in makes wrong colors"
    assert {name for name, row in rows.items() if row["verdict"] == "review"} == {*wrong}
    assert rows[wrong[0]]["reasons"].startswith("judge.color: 'Is this ")

    ledger = shop.imagemake("ledger", "--by", "kind", "--format", "json").stdout
    groups = {group["kind"]: (group["calls"], group["made"]) for group in orjson.loads(ledger)["groups"]}
    assert groups == {"image": (4, 4), "judge": (4, 0)}

    assert "Nothing to do" in shop.snakemake().stderr
    validation = asking(server, COLOR, SPELLING)
    shop.write_config(validation={**validation, "checks": {"judge.color": {"review": {"min": 0.01}}}})
    shop.snakemake()
    assert {row["verdict"] for row in shop.manifest().values()} == {"accepted"}
    told = shop.metrics()["judge"]
    assert told["calls"] == 4
    assert told["questions"] == {}, "nobody has decided about an image yet"
    right = next(name for name in rows if name not in wrong)
    decided = [f"{rows[wrong[0]]['key']},reject", f"{rows[right]['key']},approve"]
    (shop.folder / "config" / "reviews.csv").write_text("\n".join(["key,decision", *decided, ""]))
    shop.delete("work")
    shop.snakemake()
    new = sorted(prompts(server))
    for one in asked:
        new.remove(one)
    assert len(new) == 1, "neither a limit nor a lost folder asks anything again: only the new attempt is judged"
    judge = shop.metrics()["judge"]
    overall, color = judge["overall"], judge["questions"]["color"]
    assert (overall["judged_bad"], overall["rejected"]) == (0, 1), "the limit calls nothing bad"
    assert (color["images"], color["rejected"], color["threshold"]) == (2, 1, 0.5)
    assert "recall" in (shop.folder / "results" / "index.html").read_text()
    (shop.folder / "config" / "reviews.csv").unlink()
    asked = prompts(server)

    shop.write_config(validation=asking(server, COLOR, {"ask": "Are all fingers plausible?", "name": "fingers"}))
    plan = shop.snakemake("-n").stderr
    assert "4 to judge: question added or changed: fingers" in plan
    assert "gpt-6-luna is asked about 4 images: 4 questions" in plan
    shop.snakemake()
    assert prompts(server) == sorted([*asked, *["Are all fingers plausible?"] * 4]), "only what is new"
    assert len([call for call in server.calls() if call.endpoint == "/v1/images/generations"]) == 5


def test_derived_questions_moderation_and_refusals_are_told_and_never_lost(shop, server):
    server.change(judge={"sees": SEES, "refused_share": 0.5})
    validation = asking(server, "auto", api="chat")
    validation["measures"]["moderation"] = server_of(server)
    shop.write_config(validation=validation)
    plan = shop.snakemake("-n").stderr
    assert "Questions are derived from 4 prompts by gpt-6-luna" in plan
    shop.snakemake()
    derived = [call for call in server.calls() if call.endpoint == CHAT and "\n" not in call.prompt]
    assert sorted(call.prompt for call in derived) == sorted(row["prompt"] for row in shop.manifest().values())
    rows = shop.manifest()
    assert {row["measure.moderation.flagged"] for row in rows.values()} == {"false"}
    doubtful = {name: row["reasons"] for name, row in rows.items() if row["verdict"] == "review"}
    assert doubtful
    assert all("the prompt: " in reasons for reasons in doubtful.values())
    listed = shop.imagemake("questions").stdout.splitlines()
    assert listed[0] == "prompt,question"
    assert len(listed) == 1 + 4 * 2, "two parts in each prompt"
    shop.imagemake("questions", "--write")
    edited = shop.folder / "config" / "questions.csv"
    assert edited.read_text().splitlines() == listed
    edited.unlink()
    n_calls = shop.calls()
    shop.delete("work")
    shop.snakemake()
    assert shop.calls() == n_calls


def test_questions_in_a_batch_are_asked_once(shop, server):
    server.change(batches={"duration_s": 0.2})
    shop.write_config(validation=asking(server, COLOR, api="chat", mode="batch"))
    assert "gpt-6-luna is asked about up to 4 images in batches: 4 questions" in shop.snakemake("-n").stderr
    shop.snakemake()
    asked = [call for call in server.calls() if call.endpoint == CHAT]
    assert len(asked) == 4
    assert all(call.batch_id for call in asked)
    assert {row["measure.judge.color"] for row in shop.manifest().values()} == {"0.0", "1.0"}
    assert shop.metrics()["cost_usd_judge"] > 0
    shop.delete("work")
    shop.write_config(validation=asking(server, COLOR, api="chat"))
    shop.snakemake()
    assert [call for call in server.calls() if call.endpoint == CHAT] == asked, "the mode is no other question"


def test_what_the_budget_leaves_out_is_missing_and_asked_about_once_it_fits(shop, server):
    shop.config["models"]["openai"]["gpt-6-luna"] |= {"max_usd_per_image": 0.001}
    shop.write_config(budget_usd={"run": 0.0185})
    done = shop.snakemake(expect=None)
    assert done.returncode == 1
    assert "not judged" in done.stderr
    assert 0 < len(prompts(server)) < 4
    shop.write_config(budget_usd={"run": 1.0})
    shop.snakemake()
    assert len(prompts(server)) == 4


def test_flagged_prompts_are_told_and_refused_before_anything_is_paid_for(project, server):
    server.renew(Settings(any_size=True, judge={"flagged": "bottle"}))
    moderate = {"moderate": server_of(server)}
    shop = project(rows=4, prompts=moderate, attempts={"patches": {"refused": "Made of glass."}, "max": 2})
    assert "4 prompts not moderated yet: the run asks omni-moderation-latest about them first. Cost of that: none." in (
        shop.snakemake("-n").stderr
    )
    assert server.calls() == []
    done = shop.snakemake(expect=1)
    assert "1 prompt of these flagged by the moderation, before anything was paid for" in done.stderr
    assert "S001_teal: flagged by the provider: violence 0.97" in done.stderr
    assert shop.manifest()["S001_teal"]["verdict"] == "refused"
    images = [call.prompt for call in server.calls() if call.endpoint == "/v1/images/generations"]
    assert len(images) == 3
    assert not any("bottle" in prompt for prompt in images)
    first, second = prompts(server, MODERATIONS)
    assert sorted([first.count("\n"), second.count("\n")]) == [0, 3], "four prompts in one call, then the patched one"
    shop.edit_row(1, product="vase")
    shop.snakemake()
    assert shop.manifest()["S001_teal"]["verdict"] == "accepted"
    assert len(prompts(server, MODERATIONS)) == 3, "only the new prompt"
