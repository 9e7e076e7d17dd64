"""Which images share a job, and how many images a job gets."""

import pytest
from gpus import with_cards, with_provider

from imagemake.config.campaign import load_campaign
from imagemake.core.recipe import Recipe
from imagemake.plan.call_modes import batch_size, call_mode_of_batch, divide, job_size
from imagemake.store.items import Item, write_table


@pytest.mark.parametrize(
    ("n_open", "sizes"),
    [(0, []), (1, [1]), (239, [239]), (241, [121, 120]), (370, [124, 124, 122]), (961, [121] * 7 + [114])],
)
def test_a_small_run_is_divided_evenly(n_open, sizes):
    size = batch_size(n_open, most=500)
    assert [min(size, n_open - start) for start in range(0, n_open, size)] == sizes


def test_a_batch_has_no_more_images_than_the_campaign_says():
    assert batch_size(10_000, most=500) == 500


@pytest.fixture
def campaign(monkeypatch):
    """Two models that run in the job, on a GPU and on the CPU, and two others."""
    with_provider(monkeypatch)
    more = {
        "one": {"provider": "on-cards", "name": "one"},
        "two": {"provider": "on-cards", "name": "two", "local": {"device": "cpu"}},
        "sketch": {"provider": "preview", "name": "preview-1", "parameters": {"size": "64x64"}},
    }
    sections = {"campaign": "x", "catalog": "c.csv", "prompt": "A {color} mug", "name": "{color}", "more_models": more}
    return load_campaign(sections)


def items_of(label, n):
    recipes = [
        Recipe("on-cards" if label in ("one", "two") else "preview", label, f"mug {place}", place) for place in range(n)
    ]
    return [Item(f"{label}-{place}", 0, recipe, recipe.key(), "", model=label) for place, recipe in enumerate(recipes)]


def test_each_model_on_a_gpu_has_its_own_jobs_and_others_share_them(campaign, tmp_path):
    together = divide(
        [*items_of("one", 2), *items_of("sketch", 2), *items_of("two", 2), *items_of("preview-1", 1)], campaign, {}
    )
    assert [{item.model for item in group} for group in together] == [{"one"}, {"sketch", "preview-1"}, {"two"}]
    for group, device in zip(together, ("gpu", None, "cpu"), strict=True):
        write_table(tmp_path / "batch.jsonl", group)
        call_mode, n_items = call_mode_of_batch(tmp_path / "batch.jsonl", campaign)
        assert (call_mode.local_device, n_items) == (device, len(group))


@pytest.mark.parametrize(("n_cards", "expected"), [(0, 125), (1, 500), (2, 500), (4, 250), (8, 125)])
def test_as_few_jobs_load_a_model_as_there_are_cards(monkeypatch, tmp_path, campaign, n_cards, expected):
    with_cards(monkeypatch, n_cards, tmp_path)
    size = batch_size(1000, campaign.batch_size)
    assert job_size(items_of("one", 1000), campaign, size, {}) == expected
    assert job_size(items_of("two", 1000), campaign, size, {}) == 500  # one after another on the CPU
    assert job_size(items_of("sketch", 1000), campaign, size, {}) == 125
