"""Pilot, small batch, full run: how sure a rate is, what fails, what is demanded, what is to come."""

from collections import Counter

import pytest
from entries import an_attempt, an_entry, without_image
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.campaign import load_campaign
from imagemake.config.checks import Limit
from imagemake.config.stages import FIGURES
from imagemake.core.problems import UserError
from imagemake.plan.gates import check_gates, next_stage, unmet
from imagemake.release.metrics.failing import failing_values
from imagemake.release.metrics.forecast import Pace, RunTime, forecast
from imagemake.release.metrics.metrics import metrics_of
from imagemake.release.metrics.pace import pace_of
from imagemake.release.metrics.success import interval_95
from imagemake.release.summary import closing_words

CAMPAIGN = {"campaign": "Shop", "catalog": "config/catalog.csv", "prompt": "A {product}", "name": "{product}"}


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Source: the "Wilson" column of R. G. Newcombe, Statistics in Medicine 17 (1998), table I.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_the_published_one(successes, n, low, high):
    assert interval_95(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_around_the_rate_and_within_0_and_1(case):
    successes, n = case
    low, high = interval_95(successes, n)
    assert 0 <= low <= successes / n <= high <= 1


def colors(**failures_of_ten):
    return [
        an_entry(f"{color}{i}", variables={"color": color, "sku": f"{color}{i}"})
        if i >= failures
        else an_entry(
            f"{color}{i}",
            variables={"color": color, "sku": f"{color}{i}"},
            verdict="rejected",
            reasons=("text: 3 words",),
        )
        for color, failures in failures_of_ten.items()
        for i in range(10)
    ]


def test_a_value_that_fails_more_than_the_rest_is_told_with_its_reasons():
    (found,) = failing_values(colors(red=8, teal=0, gold=1))
    assert (found.variable, found.value, found.requests, found.failures) == ("color", "red", 10, 8)
    assert found.reasons == {"text": 8}


def test_what_chance_does_is_not_told():
    assert failing_values(colors(red=2, teal=1, gold=1)) == []
    assert failing_values(colors(red=5, teal=5, gold=5)) == []


def test_an_image_that_was_good_at_last_counts_with_the_attempts_before_it():
    entries = colors(red=0, teal=0)
    again = [
        an_entry(f"gold{i}", variables={"color": "gold"}, history=(an_attempt(0, reasons=["tone.contrast: low"]),))
        for i in range(9)
    ]
    (found,) = failing_values([*entries, *again])
    assert (found.value, found.reasons) == ("gold", {"tone.contrast": 9})


def figures(**changes):
    return {**metrics_of(colors(red=2, teal=0)), **changes}


def told(stage="pilot", **demands):
    limits = {name: Limit(**limit) for name, limit in demands.items()}
    return [f"{problem.where}: {problem.what}" for problem in unmet(stage, limits, figures())]


def test_a_gate_that_holds_says_nothing():
    assert told(success_rate={"min": 0.9}, review={"max": 0}) == []


def test_a_failed_gate_says_which_and_by_how_much():
    assert told(success_rate={"min": 0.95}, mean_cost_usd_per_image={"max": 0.03}) == [
        "config/config.yaml, gates.pilot.success_rate: success_rate of the pilot is 0.9 (18 of 20 accepted), "
        "but must be at least 0.95.",
        "config/config.yaml, gates.pilot.mean_cost_usd_per_image: mean_cost_usd_per_image of the pilot is 0.04, "
        "but must be at most 0.03.",
    ]


def test_what_is_not_known_meets_no_demand():
    (problem,) = unmet("pilot", {"cost_usd_total": Limit(max=5)}, figures(cost_usd_total=None))
    assert "is unknown" in problem.what


def test_a_stage_that_is_not_made_is_told_as_that():
    (problem,) = unmet("small", {"success_rate": Limit(min=0.1)}, figures(pending=7))
    assert problem.what == "7 of the 20 images of the small batch do not exist yet."
    assert "snakemake small" in problem.remedy


def test_a_stage_whose_images_wait_for_the_review_of_others_is_told_to_review_them():
    waiting = figures(pending=7, awaiting_approval=7)
    (problem,) = unmet("pilot", {"success_rate": Limit(min=0.1)}, waiting)
    assert problem.what == "7 of the 20 images of the pilot wait for the review of images that they are made from."
    assert problem.remedy == "Decide about those with `imagemake review`, and run `snakemake pilot` again."
    (problem,) = unmet("pilot", {"success_rate": Limit(min=0.1)}, {**waiting, "pending": 8})
    assert problem.remedy.startswith("Run `snakemake pilot` first.")


@pytest.mark.parametrize(
    ("scope", "asked"), [("pilot", []), ("small", ["pilot"]), ("all", ["pilot", "small"]), ("image/x.jpg", [])]
)
def test_each_stage_is_asked_of_those_before_it(scope, asked):
    demand = {"success_rate": {"min": 1.0}}
    campaign = load_campaign({**CAMPAIGN, "gates": {"pilot": demand, "small": demand}})
    seen = []

    def figures_of(stage):
        seen.append(stage)
        return figures()

    if asked:
        with pytest.raises(UserError) as caught:
            check_gates(campaign, scope, figures_of)
        assert len(caught.value.problems) == len(asked)
    else:
        check_gates(campaign, scope, figures_of)
    assert seen == asked


def test_the_pilot_leads_to_the_small_batch_only_if_a_gate_asks_for_that():
    free, gated = (load_campaign({**CAMPAIGN, "gates": gates}) for gates in ({}, {"small": {"review": {"max": 0}}}))
    assert next_stage(gated, "pilot").endswith("snakemake small")
    assert {next_stage(free, "pilot"), next_stage(gated, "small")} == {"build the whole campaign: snakemake"}


def test_every_figure_of_a_gate_is_one_of_a_release():
    assert set(FIGURES) <= set(metrics_of([]))


@pytest.mark.parametrize(
    ("gates", "where"),
    [
        ({"pilot": {"sucess_rate": {"min": 0.9}}}, "gates.pilot.sucess_rate"),
        ({"pilot": {"success_rate": {}}}, "gates.pilot.success_rate"),
        ({"full": {"success_rate": {"min": 0.9}}}, "gates.full"),
    ],
)
def test_a_gate_that_cannot_be_meant_is_told(gates, where):
    with pytest.raises(UserError) as caught:
        load_campaign({**CAMPAIGN, "gates": gates})
    assert caught.value.problems[0].where == f"config/config.yaml, {where}"


def test_the_full_run_costs_what_the_sample_did_with_its_attempts():
    entries = [an_entry("a"), an_entry("b", attempts=2, history=(an_attempt(0, cost_usd=0.04),))]
    found = forecast(entries, 1002, Counter({"gpt-image-1": 1000}), {"gpt-image-1": Pace(10)})
    assert found.cost_usd == pytest.approx(1000 * (0.04 + 0.08) / 2)
    assert found.seconds == pytest.approx(1000 * 1.5 * 10.0 / 10)
    assert (found.requests, found.to_make, found.accepted) == (1002, 1000, 1002)


def test_candidates_take_their_time_too():
    others = tuple(an_attempt(0, reasons=["not_best: scores 1"]) for _ in range(2))
    found = forecast([an_entry("a", history=others)], 101, Counter({"gpt-image-1": 100}), {"gpt-image-1": Pace(10)})
    assert found.seconds == pytest.approx(100 * 3 * 10.0 / 10)


def test_a_rate_of_images_bounds_how_soon_it_ends():
    found = forecast([an_entry("a")], 600, Counter({"gpt-image-1": 600}), {"gpt-image-1": Pace(100, 60)})
    assert found.seconds == 600


def test_what_the_sample_took_beside_its_calls_is_expected_again(tmp_path):
    def seconds(run):
        entries = [an_entry(f"{n}") for n in range(20)]
        return forecast(entries, 120, Counter({"gpt-image-1": 100}), {"gpt-image-1": Pace(10)}, run).seconds

    calls_s = 100 * 10 / 10
    assert seconds(RunTime(20 + 5 + 40, {"gpt-image-1": 20})) == calls_s + 5 + 40 * 5, "a start, and 2 s per image"
    assert seconds(RunTime(12, {"gpt-image-1": 20})) == calls_s + 5, "calls were faster than they are on average"
    assert seconds(RunTime(9000, {"gpt-image-1": 3})) == seconds(None) == calls_s, "three images tell too little"


def two_models(first, second):
    """Forecast 100 calls of 10 s of each of two models."""
    entries = [an_entry("a", model_label="one"), an_entry("b", model_label="two")]
    return forecast(entries, 200, Counter({"one": 100, "two": 100}), {"one": first, "two": second}).seconds


def test_models_share_what_is_in_flight_and_the_rate_of_their_server():
    assert two_models(Pace(10, pool="run"), Pace(10, pool="run")) == 200
    assert two_models(Pace(10, pool="run"), Pace(2, pool="cores")) == 500
    assert two_models(Pace(100, 10, lane="server"), Pace(100, 10, lane="server")) == 1200
    assert two_models(Pace(100, 10, lane="one"), Pace(100, 20, lane="two")) == 600


def test_the_paces_of_a_campaign_say_what_its_models_share():
    campaign = load_campaign(
        {
            **CAMPAIGN,
            "model": {"provider": "openai", "name": "gpt-image-1"},
            "more_models": {
                "mini": {"name": "gpt-image-1-mini"},
                "slow": {"name": "gpt-image-2", "rates": {"images_per_min": 5}},
                "own": {"provider": "openai", "name": "flux", "base_url": "http://localhost:8000/v1"},
                "drawn": {"provider": "preview", "name": "preview-1"},
            },
            "limits": {"in_flight": 6, "images_per_min": 60},
        }
    )
    first, mini, slow, own, drawn = (pace_of(n, campaign, 1) for n in ("gpt-image-1", "mini", "slow", "own", "drawn"))
    assert {first.pool, mini.pool, slow.pool, own.pool} == {"in_flight"}
    assert drawn.pool == "cores"
    assert first.lane == mini.lane
    assert len({first.lane, slow.lane, own.lane}) == 3
    assert [pace.images_per_min for pace in (first, slow, own)] == [60, 5, 60]


@pytest.mark.parametrize("to_make", [{"gpt-image-1": 5, "never tried": 5}, {"never tried": 1}])
def test_what_the_sample_does_not_show_is_not_forecast(to_make):
    found = forecast([an_entry("a")], 20, Counter(to_make), {name: Pace(1) for name in to_make})
    assert (found.cost_usd, found.seconds) == (None, None)


def test_an_unknown_cost_makes_no_forecast_of_it():
    found = forecast([an_entry("a"), an_entry("b", cost_usd=None)], 9, Counter({"gpt-image-1": 9}), {})
    assert found.cost_usd is None


def test_calls_to_judge_and_rewrite_are_forecast_in_proportion_and_unknown_ones_are_not():
    entries, to_make = [an_entry("a", cost_usd=0.04), an_entry("b", cost_usd=0.04)], Counter({"gpt-image-1": 10})
    paces = {"gpt-image-1": Pace(1)}
    assert forecast(entries, 12, to_make, paces, asked_usd=0.02).cost_usd == pytest.approx(0.5)
    assert forecast(entries, 12, to_make, paces, asked_usd=None).cost_usd is None


def test_nothing_decided_is_no_ground_for_a_forecast():
    assert forecast([without_image("a", "pending", tries=0)], 9, Counter(), {}) is None


def test_an_empty_value_that_fails_is_named_in_the_summary(tmp_path):
    value = {"variable": "model", "value": "", "failures": 4, "requests": 4, "reasons": {"refused": 4}}
    words = closing_words({**metrics_of(colors(red=8, teal=0, gold=1)), "failing_values": [value]}, tmp_path)
    assert "  model (empty): 100% of 4 failed at least once: refused (4)." in words


def test_a_stage_ends_with_what_it_came_to_and_what_the_rest_will(tmp_path):
    entries = colors(red=8, teal=0, gold=1)
    to_come = forecast(entries, 2030, Counter({"gpt-image-1": 2000}), {"gpt-image-1": Pace(8)})
    words = closing_words({**metrics_of(entries), "forecast": to_come.as_dict()}, tmp_path)
    assert "Success rate 70% (95% interval: 52.1% to 83.3%) of 30 images." in words
    assert "color red: 80% of 10" in words
    assert "2,000 more images, about $80.00, about 42 minutes" in words
