"""Costs learned from the journal: from whom, for whom, and when there is too little to say."""

import pytest
from gpus import with_provider

from imagemake.config.models import load_models
from imagemake.core.recipe import Recipe
from imagemake.plan.estimate import Estimate
from imagemake.plan.learned_costs import LearnedCosts
from imagemake.store.journal import Call

MODEL = load_models().get("openai", "gpt-image-2.6-flare")


def recipe(**parameters):
    return Recipe("openai", "gpt-image-2.6-flare", "A mug", 1, parameters)


def call(cost_usd, outcome="made", batch=False, **parameters):
    sent = {"key": "k", "recipe": recipe(**parameters).as_dict(), **({"submission": "s"} if batch else {})}
    return Call(sent, {"outcome": outcome, "cost_usd": cost_usd})


def learned(*calls):
    costs = LearnedCosts()
    for one in calls:
        costs.add(one)
    return costs


def test_three_calls_of_the_same_size_and_quality_teach_their_mean():
    costs = learned(*(call(usd, size="1024x1024") for usd in (0.01, 0.02, 0.03)))
    assert costs.mean_usd(MODEL, recipe(size="1024x1024"), batch=False) == pytest.approx(0.02)
    assert costs.mean_usd(MODEL, recipe(size="1024x1536"), batch=False) is None
    assert costs.mean_usd(MODEL, recipe(size="1024x1024", quality="high"), batch=False) is None


def test_what_made_no_image_or_has_no_cost_teaches_nothing():
    costs = learned(call(0.01), call(0.01), call(None), call(0.01, outcome="unreadable"), Call(call(1).sent, None))
    assert costs.mean_usd(MODEL, recipe(), batch=False) is None


def test_a_batch_is_expected_at_its_share_of_what_single_calls_cost_and_the_other_way_round():
    assert learned(*[call(0.02)] * 3).mean_usd(MODEL, recipe(), batch=True) == pytest.approx(0.01)
    assert learned(*[call(0.01, batch=True)] * 3).mean_usd(MODEL, recipe(), batch=False) == pytest.approx(0.02)


def by_hour(usd_per_gpu_hour):
    prices = {"as_of": "2026-11-01", "usd_per_gpu_hour": usd_per_gpu_hour}
    return load_models({"on-cards": {"*": {"prices": prices}}}).get("on-cards", "m")


def on_gpu(steps, n=1):
    return Recipe("on-cards", "m", "A mug", n, {"steps": steps})


def took(seconds, steps=30):
    closed = {"outcome": "made", "cost_usd": 0.0, "gpu": {"seconds": seconds}}
    return Call({"key": "k", "recipe": on_gpu(steps).as_dict()}, closed)


def test_on_a_gpu_the_time_is_learned_so_that_a_new_price_counts_at_once():
    costs = learned(took(1.0), took(2.0), took(3.0))
    assert costs.mean_usd(by_hour(3.6), on_gpu(30, n=2), batch=False) == 0.002
    assert costs.mean_usd(by_hour(7.2), on_gpu(30, n=2), batch=False) == 0.004
    assert costs.mean_usd(by_hour(3.6), on_gpu(50), batch=False) is None
    assert learned(took(1.0), took(1.0)).mean_usd(by_hour(3.6), on_gpu(30), batch=False) is None


def test_the_estimate_of_a_gpu_is_unknown_until_images_were_measured(monkeypatch):
    with_provider(monkeypatch)
    unknown, known = Estimate(), Estimate()
    unknown.add(by_hour(3600), on_gpu(30), LearnedCosts(), batch=False, n=24)
    assert str(unknown) == "unknown for 24 images"
    known.add(by_hour(3600), on_gpu(30), learned(*[took(2.0)] * 3), batch=False, n=24)
    assert (str(known), known.learned) == ("about $48.00", 24)


def test_a_free_provider_without_a_price_costs_nothing_and_not_an_unknown_amount(monkeypatch):
    with_provider(monkeypatch)
    estimate = Estimate()
    estimate.add(None, on_gpu(30), LearnedCosts(), batch=False)
    assert estimate.is_free
