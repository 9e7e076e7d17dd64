"""What each remedy came to: which attempts count, and what an accepted image costs by it."""

import pytest
from entries import an_entry, without_image

from imagemake.release.metrics.remedies import remedies, remedy_words

FAILED = {"key": "a" * 64, "prompt": "A mug", "seed": 1, "reasons": ["judge.color: no"], "raw_digest": "c" * 64}


def past(attempt, made_by="", **more):
    return {"attempt": attempt, "made_by": made_by, "cost_usd": 0.04, **FAILED, **more}


ROWS = [
    an_entry("first"),
    an_entry("rewritten", attempt=1, made_by="rewrite", history=[past(0)]),
    an_entry("at last", attempt=2, made_by="patch", history=[past(0), past(1, "repair", cost_usd=0.06)]),
    an_entry("repaired", attempt=1, made_by="repair", cost_usd=0.06, history=[past(0)]),
    an_entry("in doubt", verdict="review", attempt=1, made_by="rewrite", history=[past(0)]),
    an_entry("given up", verdict="rejected", attempt=1, made_by="rewrite", history=[past(0)]),
    without_image("open", "pending", attempt=1, made_by="rewrite", history=[past(0)]),
]


def test_only_attempts_with_a_verdict_count_and_the_first_rejection_costs_nobody_anything():
    found = remedies(ROWS, rewrites_usd=0.01)
    counts = {name: (one["accepted"], one["attempts"], one["usd_per_accepted"]) for name, one in found.items()}
    assert counts == {"patch": (1, 1, 0.04), "repair": (1, 2, 0.12), "rewrite": (1, 2, 0.09)}
    rewrite = found["rewrite"]
    assert rewrite["success_rate_low"] < 0.5 < rewrite["success_rate_high"]


def test_candidates_of_the_accepted_attempt_are_no_failures_but_cost():
    siblings = [past(0), past(1, "rewrite", reasons=["not_best: x"])]
    found = remedies([an_entry(attempt=1, made_by="rewrite", history=siblings)], 0.0)
    assert (found["rewrite"]["attempts"], found["rewrite"]["cost_usd"]) == (1, 0.08)


def test_an_unknown_cost_is_not_a_low_one():
    found = remedies(ROWS, rewrites_usd=None)
    assert found["rewrite"]["cost_usd"] is found["rewrite"]["usd_per_accepted"] is None
    assert found["patch"]["usd_per_accepted"] == 0.04
    assert not remedies([an_entry()], None)


def test_the_cheapest_remedy_is_told_first_and_those_without_a_price_last():
    lines = list(remedy_words(remedies(ROWS, rewrites_usd=None)))
    assert [line.split()[2] for line in lines[:-1]] == ["patch:", "repair:", "rewrite:"]
    assert "1 of 2 attempts accepted (9% to 91% with 95% confidence), $0.1200 per accepted image" in lines[1]
    assert lines[2].endswith("confidence).")
    assert "None of them wins yet" in lines[3]


def test_people_are_told_among_the_remedies_and_nobody_knows_what_they_cost():
    found = remedies([*ROWS, an_entry("a", by_people=(False, True)), an_entry("b", by_people=(True,))], 0.01)
    assert (found["person"]["accepted"], found["person"]["attempts"], found["person"]["cost_usd"]) == (2, 3, None)
    line = next(line for line in remedy_words(found) if "person" in line)
    assert line == "  After rejections, person: 2 of 3 images approved (21% to 94% with 95% confidence)."


def many(name, accepted, n):
    verdicts = ["accepted"] * accepted + ["rejected"] * (n - accepted)
    return [an_entry(f"{name} {i}", verdict=one, attempt=1, made_by=name) for i, one in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("accepted", "told"),
    [((9, 10), "None of them wins yet"), ((30, 90), "repair wins"), ((90, 0), "patch wins")],
)
def test_a_remedy_wins_once_its_interval_of_costs_is_below_those_of_the_others(accepted, told):
    rows = [*many("patch", accepted[0], 100), *many("repair", accepted[1], 100)]
    *_, last = remedy_words(remedies(rows, 0.0))
    assert last.strip().startswith(told)


def test_remedies_that_followed_different_reasons_are_not_compared():
    color, text = ["judge.color: no"], ["not_best: x", "judge.text: no"]
    rows = [an_entry(f"p{n}", attempt=1, made_by="patch", history=[past(0, reasons=color)]) for n in range(90)]
    rows += [
        an_entry(f"r{n}", verdict="rejected", attempt=1, made_by="repair", history=[past(0, reasons=text)])
        for n in range(90)
    ]
    found = remedies(rows, 0.0)
    assert found["patch"]["reasons"] == {"judge.color": 90}
    *_, last = remedy_words(found)
    assert last == "  No comparison: they followed different reasons (patch judge.color; repair judge.text)."


def test_a_model_without_quota_made_no_attempt_that_another_one_mends():
    assert remedies([an_entry(attempt=0, made_by="next_model")], 0.0) == {}


def test_patches_alone_are_not_compared():
    assert list(remedy_words({"patch": {}})) == []
