"""Which images share a job."""

import pytest
from gpus import campaign_on_cards, items_on

from imagemake.plan.call_modes import call_mode_of_batch, divide
from imagemake.store.items import write_table


@pytest.fixture
def campaign(monkeypatch):
    return campaign_on_cards(monkeypatch)


def test_each_model_on_a_gpu_has_its_own_jobs_and_others_share_them(campaign, tmp_path):
    together = divide(
        [*items_on("one", 2), *items_on("sketch", 2), *items_on("two", 2), *items_on("preview-1", 1)], campaign, {}
    )
    assert [{item.model for item in group} for group in together] == [{"one"}, {"sketch", "preview-1"}, {"two"}]
    for group, device in zip(together, ("gpu", None, "cpu"), strict=True):
        write_table(tmp_path / "batch.jsonl", group)
        call_mode, n_items = call_mode_of_batch(tmp_path / "batch.jsonl", campaign)
        assert (call_mode.local_device, n_items) == (device, len(group))
