"""Which images of models with ``mode: auto`` go into batches, and what the plan says of it."""

from dataclasses import replace

import pytest

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.batches import batches_of, item_of
from imagemake.plan.call_modes import call_mode_of_batch
from imagemake.plan.cost_lines import cost_lines
from imagemake.plan.inventory import JournalFacts
from imagemake.plan.job_sizes import JobSizes
from imagemake.plan.requests.request import Request
from imagemake.plan.state import Stage, State
from imagemake.plan.waiting import let_wait
from imagemake.release.metrics.pace import pace_of
from imagemake.store.items import Item, write_table

LEAST = {"campaign": "Mugs", "catalog": "config/catalog.csv", "prompt": "A mug", "name": "{sku}"}
AUTO = {"provider": "openai", "name": "gpt-image-2", "parameters": {"size": "1024x1024"}, "mode": "auto"}


def campaign_of(**config):
    return load_campaign({**LEAST, "model": AUTO, **config})


def states_of(n, model="gpt-image-2", parameters=AUTO["parameters"], **recipe):
    return [
        State(Request(f"s{i}", one, i, {}, 1, model), one, one.key(), stage=Stage.GENERATE)
        for i in range(n)
        for one in [Recipe("openai", model, f"Mug {i}", 1, parameters, **recipe)]
    ]


@pytest.mark.parametrize(
    ("n", "scope", "config", "line"),
    [
        (20, "all", {}, "20 images in batches, within 24 hours (mode: auto)."),
        (19, "all", {}, "19 images one by one, because a batch is worth it from 20 (batch_from) (mode: auto)."),
        (5, "all", {"model": {**AUTO, "batch_from": 5}}, "5 images in batches, within 24 hours (mode: auto)."),
        (50, "pilot", {}, "50 images one by one, because this is the pilot stage (mode: auto)."),
        (1, "image/s1.jpg", {}, "1 image one by one, because you wait for single images (mode: auto)."),
        (50, "all", {"only": ["s*"]}, "50 images one by one, because `only` selects them (mode: auto)."),
    ],
)
def test_many_images_of_the_whole_campaign_wait_and_others_do_not(n, scope, config, line):
    states = states_of(n)
    assert let_wait(states, campaign_of(**config), scope) == [f"  gpt-image-2: {line}"]
    assert {state.can_wait for state in states} == {"in batches" in line}


def test_each_model_is_counted_by_itself_and_other_modes_are_left_alone():
    campaign = campaign_of(more_models={"now": {"mode": "sync"}, "other": {"name": "gpt-image-1"}})
    states = [*states_of(20), *states_of(20, model="now"), *states_of(3, model="other")]
    assert [line.split(":")[0].strip() for line in let_wait(states, campaign, "all")] == ["gpt-image-2", "other"]
    assert {state.request.model for state in states if state.can_wait} == {"gpt-image-2"}


def test_what_a_batch_does_not_accept_goes_one_by_one():
    sent = {"references": ("0" * 64,)}
    taken, odd = states_of(20, **sent), states_of(2, parameters={"size": "2048x2048"}, **sent)
    told = let_wait([*taken, *odd], campaign_of(), "all")
    assert told[1] == "  gpt-image-2: 2 images one by one, which a batch does not accept (mode: auto)."
    assert {state.can_wait for state in taken} == {True}
    assert {state.can_wait for state in odd} == {False}


def test_a_job_knows_from_its_table_how_its_images_are_requested(tmp_path):
    campaign, states = campaign_of(batch_size=10), states_of(40)
    let_wait(states[:20], campaign, "all")
    batches = batches_of(states, campaign, lambda _: 0, JobSizes(campaign, len(states)))
    modes = []
    for batch, items in batches:
        write_table(tmp_path / batch.id, items)
        mode, n_items = call_mode_of_batch(tmp_path / batch.id, campaign)
        modes.append((mode.in_batches, n_items))
    assert sorted(modes) == [(False, 10), (False, 10), (True, 10), (True, 10)]


def test_an_item_keeps_that_it_can_wait_and_others_are_written_as_before():
    (state,) = states_of(1)
    assert "can_wait" not in item_of(state).as_dict()
    waiting = item_of(replace(state, can_wait=True))
    assert Item.from_dict(waiting.as_dict()) == waiting


def test_the_price_is_that_of_batches_and_attempts_that_may_follow_are_counted_at_the_full_price():
    inventory = type("", (), {"journal": JournalFacts()})
    campaign, states = (
        campaign_of(attempts={"max": 2}),
        states_of(100, parameters={"size": "1024x1024", "quality": "high"}),
    )
    target = type("", (), {"campaign": campaign})
    full, _ = cost_lines(states, (), target, inventory)
    let_wait(states, campaign, "all")
    half, further = cost_lines(states, (), target, inventory)
    usd = [float(line.partition("$")[2].rstrip(".")) for line in (full, half, further)]
    assert usd == [usd[0], pytest.approx(usd[0] / 2, abs=0.01), usd[0]]


def test_nobody_knows_how_long_a_batch_takes():
    campaign = campaign_of()
    assert pace_of("gpt-image-2", campaign, 20) is None
    assert pace_of("gpt-image-2", campaign, 19) is not None


def test_a_provider_without_batches_has_no_auto():
    with pytest.raises(UserError, match="has no batch mode"):
        load_campaign({**LEAST, "model": {"provider": "preview", "mode": "auto"}})
