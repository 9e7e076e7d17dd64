"""Costs learned from the journal: from whom, for whom, and when there is too little to say."""

import pytest

from imagemake.config.models import load_models
from imagemake.core.recipe import Recipe
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
