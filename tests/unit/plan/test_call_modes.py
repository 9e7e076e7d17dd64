"""Which images share a job."""

import pytest
from gpus import with_provider

from imagemake.config.campaign import load_campaign
from imagemake.core.recipe import Recipe
from imagemake.plan.call_modes import call_mode_of_batch, divide
from imagemake.store.items import Item, write_table


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
