"""The metrics: what they count, and what they do not pretend to know."""

import json
from pathlib import Path

import pytest
from entries import an_attempt, an_entry, without_image

from imagemake.release.metrics.metrics import metrics_of, write_metrics
from imagemake.release.metrics.reasons import reason_code
from imagemake.release.summary import closing_words
from imagemake.store.journal import Call
from imagemake.store.ledger import Tally


def test_rates_leave_out_what_is_not_decided():
    entries = [
        an_entry("a"),
        an_entry("b", attempt=1, attempts=2, history=(an_attempt(0),)),
        an_entry("c", verdict="rejected", reasons=("tone.contrast: 3",)),
        without_image("d", "refused"),
        an_entry("e", verdict="review"),
        without_image("f", "pending", tries=0, attempts=0),
    ]
    metrics = metrics_of(entries)
    assert metrics["requests"] == 6
    assert [metrics[verdict] for verdict in ("accepted", "rejected", "review", "refused", "failed", "pending")] == [
        2,
        1,
        1,
        1,
        0,
        1,
    ]
    assert metrics["success_rate"] == 0.5, "of the four that are decided"
    assert metrics["released_share"] == 0.3333, "of all six"
    assert metrics["first_attempt_success_rate"] == 0.25
    assert metrics["attempts_mean"] == 1.2


def tally_of(*costs_usd):
    tally = Tally()
    for cost_usd in costs_usd:
        tally.add(Call({"key": "k", "worst_usd": None}, {"outcome": "made", "cost_usd": cost_usd}))
    return tally


def test_judging_and_rewriting_are_part_of_what_an_accepted_image_costs():
    asked, rewrites = tally_of(0.01, 0.01), tally_of(0.005, None)
    metrics = metrics_of([an_entry("a", cost_usd=0.04), an_entry("b", cost_usd=0.04)], asked, rewrites)
    names = ("images", "judge", "rewrite", "total")
    assert [metrics[f"cost_usd_{name}"] for name in names] == [0.08, 0.02, 0.005, 0.105]
    assert metrics["asked_cost_unknown"] == 1
    told = "  Cost $0.10, $0.0525 per accepted image: images $0.08, judge $0.02, rewrite $0.01."
    assert f"{told} The cost of 1 more call to models is unknown." in closing_words(metrics, Path("results"))
    assert metrics_of([an_entry("a", cost_usd=None)], asked)["cost_usd_total"] is None


def test_a_rate_is_told_with_what_it_is_a_share_of(tmp_path):
    waiting = [an_entry(f"w{n}", verdict="review", file=None) for n in range(7)]
    words = closing_words(metrics_of([an_entry("a"), *waiting]), tmp_path)
    assert words.startswith(f"imagemake: 1 of 8 images are in {tmp_path}/images/")
    assert "7 awaiting review" in words
    assert "Success rate 100% (95% interval: 20.6% to 100%) of 1 image; 7 more await review." in words
    assert "more await" not in closing_words(metrics_of([an_entry("a")]), tmp_path)


def test_the_summary_tells_why_most_images_were_rejected(tmp_path):
    wrong = [an_entry(f"s{n}", verdict="rejected", reasons=("file.size: 64x64 px",), file=None) for n in range(3)]
    pale = an_entry("p", verdict="rejected", reasons=("tone.contrast: 3",), file=None)
    told = "4 were rejected in every attempt, most often for file.size (3): see"
    assert told in closing_words(metrics_of([*wrong, pale]), tmp_path)
    words = closing_words(metrics_of([*wrong, without_image("r", "refused")]), tmp_path)
    assert "3 were rejected in every attempt: see" in words


def test_the_summary_tells_the_cost_of_an_accepted_image_and_what_to_do_next(tmp_path):
    paid = [an_entry("a", cost_usd=0.04), an_entry("b", cost_usd=0.04, verdict="rejected", file=None)]
    words = closing_words(metrics_of(paid), Path("results"))
    assert "  Cost $0.08, $0.0800 per accepted image." in words
    assert "Next:" not in words
    after = closing_words(metrics_of(paid), Path("results/pilot"), then="build more: snakemake small")
    assert after.endswith("  Next: look at results/pilot/index.html, then build more: snakemake small")
    free = closing_words(metrics_of([an_entry("a", cost_usd=0.0, verdict="review", file=None)]), Path("results"))
    assert "Cost" not in free
    assert free.endswith("  Next: imagemake review")


def test_an_unknown_cost_is_counted_and_never_taken_for_nothing():
    metrics = metrics_of([an_entry("a", cost_usd=0.04), an_entry("b", cost_usd=None)])
    assert (metrics["cost_usd_total"], metrics["mean_cost_usd_per_image"], metrics["cost_unknown"]) == (0.04, 0.04, 1)
    metrics = metrics_of([an_entry("a", cost_usd=None)])
    assert (metrics["cost_usd_total"], metrics["mean_cost_usd_per_image"], metrics["cost_unknown"]) == (None, None, 1)


def test_calls_without_an_answer_are_told_with_their_worst_case_beside_what_is_known():
    metrics = metrics_of(
        [
            an_entry("a", cost_usd=0.04, unknown_calls=2, unknown_worst_usd=0.1),
            an_entry("b", history=(an_attempt(0, unknown_calls=1, unknown_worst_usd=0.05),)),
        ]
    )
    assert (metrics["unknown_calls"], metrics["unknown_worst_usd"]) == (3, 0.15)
    assert metrics["mean_cost_usd_per_image"] == 0.04


def test_one_call_without_a_known_bound_leaves_the_worst_case_unsaid():
    calls = [an_entry("a", unknown_calls=1, unknown_worst_usd=0.1), an_entry("b", unknown_calls=1)]
    assert metrics_of(calls)["unknown_worst_usd"] is None


def test_a_free_provider_costs_nothing_and_that_is_known():
    metrics = metrics_of([an_entry(cost_usd=0.0)])
    assert (metrics["cost_usd_total"], metrics["mean_cost_usd_per_image"], metrics["cost_unknown"]) == (0.0, 0.0, 0)


def test_earlier_attempts_count_in_calls_costs_and_durations():
    past = an_attempt(0, cost_usd=0.02, seconds=20.0, tries=3)
    metrics = metrics_of([an_entry(history=(past,), attempt=1, attempts=2)])
    assert metrics["calls"] == 4
    assert metrics["cost_usd_total"] == 0.06
    assert metrics["mean_cost_usd_per_image"] == 0.03
    assert metrics["mean_seconds_per_image"] == 15.0


def test_a_call_without_image_is_paid_for_but_is_no_image():
    metrics = metrics_of([an_entry("a"), without_image("b", "refused", cost_usd=0.01, seconds=99.0)])
    assert metrics["cost_usd_total"] == 0.05
    assert metrics["mean_cost_usd_per_image"] == 0.04
    assert metrics["mean_seconds_per_image"] == 10.0


def test_the_cached_share_is_that_of_requests_with_an_image():
    entries = [
        an_entry("a", closed_at="2026-01-01"),
        an_entry("b", closed_at="2026-01-03"),
        without_image("c", "refused"),
    ]
    assert metrics_of(entries, made_at="2026-01-02")["cached_share"] == 0.5


def test_failures_are_counted_once_a_request_and_reason():
    twice = ("tone.contrast: 3.1, at least 8", "tone.contrast: 3.1, at least 9", "sharpness: 4")
    entries = [
        an_entry("a", verdict="rejected", reasons=twice, history=(an_attempt(0),), attempts=2),
        an_entry("b", reasons=("review: accepted by hand",), history=(an_attempt(0),), attempts=2),
        without_image("c", "pending", reasons=("only: left out",), tries=0),
    ]
    metrics = metrics_of(entries)
    assert metrics["failures_by_reason"] == {"sharpness": 1, "tone.contrast": 1}
    assert metrics["failed_attempts_by_reason"] == {"sharpness": 1, "tone.contrast": 3}


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("tone.contrast: 3.1, at least 8 (rejected)", "tone.contrast"),
        ("no colon at all", "no colon at all"),
        ("line\nbreak: x", "line break"),
        ("", ""),
    ],
)
def test_the_code_of_a_reason_is_what_stands_before_its_colon(reason, code):
    assert reason_code(reason) == code


def test_the_code_of_an_endless_reason_is_cut():
    assert len(reason_code("x" * 10_000)) == 60


def test_a_release_of_nothing_has_no_rates():
    metrics = metrics_of([])
    assert metrics["success_rate"] is None
    assert metrics["mean_seconds_per_image"] is None
    assert metrics["cost_usd_total"] == 0.0


def test_the_file_has_the_same_bytes_for_entries_in_any_order(tmp_path):
    reasons = [("b: 1",), ("a: 2",), ("c: 3",)]
    costs = [0.1, 0.2, 0.3]
    entries = [
        an_entry(str(number), verdict="rejected", reasons=reason, cost_usd=cost)
        for number, (reason, cost) in enumerate(zip(reasons, costs, strict=True))
    ]
    write_metrics(metrics_of(entries), tmp_path / "one.json")
    write_metrics(metrics_of(reversed(entries)), tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert list(json.loads((tmp_path / "one.json").read_text()))[:2] == ["requests", "accepted"]


def test_energy_and_time_on_gpus_are_means_over_all_images_that_were_measured(tmp_path):
    earlier = an_attempt(0) | {"gpu_seconds": 4.0, "energy_wh": 0.5}
    entries = [
        an_entry("a", gpu="NVIDIA T4", gpu_seconds=2.0, energy_wh=0.2, history=(earlier,), attempt=1, attempts=2),
        an_entry("b", gpu_seconds=3.0),
        an_entry("c"),
    ]
    metrics = metrics_of(entries)
    assert metrics["mean_gpu_seconds_per_image"] == 3.0
    assert metrics["kwh_per_1000_images"] == 0.35
    assert "  GPU: 3 s per image, 0.35 kWh per 1,000 images." in closing_words(metrics, tmp_path)
    unmeasured = metrics_of([an_entry("c")])
    assert (unmeasured["mean_gpu_seconds_per_image"], unmeasured["kwh_per_1000_images"]) == (None, None)
    assert "GPU" not in closing_words(unmeasured, tmp_path)
