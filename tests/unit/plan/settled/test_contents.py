"""Claims about which requests are settled."""

from dataclasses import replace

import pytest
from world import World

from imagemake.config.campaign import load_campaign
from imagemake.config.verdict_codes import VerdictCode
from imagemake.plan.settled.contents import is_settled
from imagemake.stages.validate.verdict import Reason

CAMPAIGN = load_campaign({"campaign": "c", "catalog": "c.csv", "prompt": "A {sku}", "name": "{sku}"})


@pytest.fixture
def done():
    world = World("mug")
    world.make(world.one())
    world.postprocess(world.one())
    return world.one()


@pytest.fixture
def rejected(done):
    return lambda code="tone.contrast", **how: replace(done.as_past((Reason(code, "x"),)), **how)


def test_a_request_is_settled_once_it_is_done_also_by_a_further_attempt(done, rejected):
    assert is_settled(done, CAMPAIGN)
    assert not is_settled(replace(done, stage="postprocess"), CAMPAIGN)
    assert is_settled(replace(done, past=[rejected(made_by="patch")], made_by="patch"), CAMPAIGN)


@pytest.mark.parametrize("how", [{"made_by": "rewrite"}, {"made_by": "repair"}, {"note": "the model answered nothing"}])
def test_it_is_not_if_answers_or_masks_in_the_store_decide_an_attempt(done, rejected, how):
    assert not is_settled(replace(done, **how), CAMPAIGN)
    assert not is_settled(replace(done, past=[rejected(**how)]), CAMPAIGN)


@pytest.mark.parametrize("code", [VerdictCode.NEAR_DUPLICATE, VerdictCode.CONSISTENCY])
def test_nor_if_other_images_decided_about_one_of_its_images(done, rejected, code):
    assert not is_settled(replace(done, past=[rejected(code)]), CAMPAIGN)
