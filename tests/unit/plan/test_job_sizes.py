"""How many images a job gets."""

import os

import pytest
from gpus import campaign_on_cards, items_on, with_cards

from imagemake.config.campaign import load_campaign
from imagemake.core.recipe import Recipe
from imagemake.plan.batches import Batch, job_lines
from imagemake.plan.call_times import CallTimes
from imagemake.plan.job_sizes import JobSizes, batch_size
from imagemake.plan.state import Stage
from imagemake.store.items import Item
from imagemake.store.journal import Call
from imagemake.store.layout import JUDGED, POSTPROCESSED, VALIDATED

LEAST = {"campaign": "x", "catalog": "c.csv", "prompt": "A {color} mug", "name": "{color}"}
API = {"provider": "openai", "name": "gpt-image-2", "base_url": "http://localhost:1/v1", "identity": "here"}


@pytest.mark.parametrize(
    ("n_open", "sizes"),
    [(0, []), (1, [1]), (239, [239]), (241, [121, 120]), (370, [124, 124, 122]), (961, [121] * 7 + [114])],
)
def test_a_small_run_is_divided_evenly(n_open, sizes):
    size = batch_size(n_open, most=500)
    assert [min(size, n_open - start) for start in range(0, n_open, size)] == sizes


def test_a_batch_has_no_more_images_than_the_campaign_says():
    assert batch_size(10_000, most=500) == 500


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)


def campaign_of(**sections):
    return load_campaign({**LEAST, "model": API, "job_minutes": 30, **sections})


def items_of(n, name="gpt-image-2", label=""):
    recipe = Recipe("openai", name, "mug", 0, endpoint="here")
    return [Item(str(place), 0, recipe, str(place), "", model=label) for place in range(n)]


def calls(seconds, name="gpt-image-2", n=5, **sent):
    """What the journal has after some calls of so many seconds."""
    recipe = {"provider": "openai", "endpoint": "here", "model": name}
    sent = {"recipe": recipe, "key": "k", **sent}
    return [Call(sent, {"outcome": "made", "seconds": seconds}) for _ in range(n)]


def sizes_of(campaign, *made, **jobs):
    times = CallTimes()
    for call in made:
        times.add(call)
    return JobSizes(campaign, 1000, {}, lambda: CallTimes.from_data(times.as_data()), jobs)


def test_a_job_takes_the_wanted_time_by_the_median_of_calls_and_its_share_of_those_in_flight():
    made = [*calls(20.0, n=5), *calls(400.0, n=1)]  # 5 s per image with 4 of 8 in flight
    sizes = sizes_of(campaign_of(), *made)
    assert sizes.of(Stage.GENERATE, items_of(720)) == (360, "about 30 minutes each, at 5.00 s per image so far")
    assert sizes.of(Stage.GENERATE, items_of(1000)).n == 334, "three jobs, equally long"
    assert sizes.of(Stage.GENERATE, items_of(300)).n == 150, "two, because one would use half of the calls in flight"
    assert sizes.of(Stage.GENERATE, items_of(100)).n == 100, "not worth two waits in the queue"
    faster = sizes_of(campaign_of(limits={"in_flight": 80}), *made)
    assert faster.of(Stage.GENERATE, items_of(9000)) == (
        500,
        "about 4 minutes each, the most that batch_size allows, at 0.50 s per image so far",
    )


@pytest.mark.parametrize("rates", [{"images_per_min": 12}, {"requests_per_min": 12, "images_per_min": 60}])
def test_a_rate_that_is_slower_than_the_calls_decides(rates):
    sizes = sizes_of(campaign_of(limits=rates), *calls(4.0))
    assert sizes.of(Stage.GENERATE, items_of(1800)).n == 180, "12 a minute for two jobs at a time"


def test_models_that_share_jobs_count_as_often_as_they_are_asked():
    campaign = campaign_of(more_models={"slow": {**API, "name": "slow"}})
    sizes = sizes_of(campaign, *calls(4.0), *calls(36.0, name="slow"))  # 1 and 9 s per image
    mixed = [*items_of(750), *items_of(250, "slow", "slow")]
    assert sizes.of(Stage.GENERATE, mixed).n == 500, "3 s per image"
    assert sizes_of(campaign, *calls(4.0)).of(Stage.GENERATE, mixed).n == 500, "of the other, nothing is known"


def test_the_slowest_job_of_a_batch_decides():
    sizes = sizes_of(campaign_of(), *calls(4.0), **{VALIDATED: 9.0, JUDGED: 2.0, POSTPROCESSED: 18.0})
    assert [sizes.of(stage, items_of(1800)).n for stage in (Stage.GENERATE, Stage.VALIDATE)] == [100, 100]
    sizes = sizes_of(campaign_of(), *calls(4.0), **{VALIDATED: 9.0})
    assert sizes.of(Stage.GENERATE, items_of(1800)).n == 200
    assert sizes.of(Stage.POSTPROCESS, items_of(1800)).n == 125, "no such job was timed"


def test_until_enough_is_timed_and_where_nobody_asks_for_it_the_number_decides():
    asked = campaign_of()
    for campaign, made in [(asked, calls(20.0, n=4)), (campaign_of(job_minutes=None), calls(20.0))]:
        assert sizes_of(campaign, *made).of(Stage.GENERATE, items_of(1000)).n == 125
    of_others = [*calls(20.0, submission="s"), *calls(20.0, kind="judge"), *calls(20.0, name="other")]
    size, why = sizes_of(asked, *of_others).of(Stage.GENERATE, items_of(1000))
    assert (size, why) == (125, "by batch_size, because too little was timed so far for job_minutes")


def test_what_waits_at_the_provider_is_not_divided_by_time():
    sizes = sizes_of(campaign_of(model={**API, "mode": "batch"}), *calls(900.0))
    assert sizes.of(Stage.GENERATE, items_of(400)) == (500, "in batches of the provider")
    waiting = JobSizes(campaign_of(), 400, {"0": "submission"}, lambda: sizes._calls)
    assert waiting.of(Stage.GENERATE, items_of(400)).n == 400


def test_a_plan_tells_how_large_jobs_are_and_why():
    batches = [Batch("generate-a", 7, "so"), Batch("generate-b", 5, "so")]
    assert [*job_lines([*batches, Batch("validate-c", 1, "else")])] == [
        "  2 jobs to generate of up to 7 images: so.",
        "  1 job to validate of 1 image: else.",
    ]


@pytest.fixture
def campaign(monkeypatch):
    return campaign_on_cards(monkeypatch)


@pytest.mark.parametrize(("n_cards", "expected"), [(0, 125), (1, 500), (2, 500), (4, 250), (8, 125)])
def test_as_few_jobs_load_a_model_as_there_are_cards(monkeypatch, tmp_path, campaign, n_cards, expected):
    with_cards(monkeypatch, n_cards, tmp_path)
    sizes = JobSizes(campaign, 1000)
    assert sizes.of(Stage.GENERATE, items_on("one", 1000)).n == expected
    assert sizes.of(Stage.GENERATE, items_on("two", 1000)).n == 500  # one after another on the CPU
    assert sizes.of(Stage.GENERATE, items_on("sketch", 1000)).n == 125
