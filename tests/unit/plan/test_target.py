"""What a plan's file and a rule's parameter hand on is what the campaign says, no more and no less."""

import orjson
import pytest
from catalogs import catalog_of

from imagemake.config.campaign import load_campaign
from imagemake.config.job_settings import JobSettings, job_settings_json
from imagemake.config.models import load_models
from imagemake.core.sealed import DamagedStateError
from imagemake.plan.target import Target

CAMPAIGN = load_campaign(
    {
        "campaign": "Größe",
        "catalog": "config/catalog.csv",
        "prompt": "A {product}",
        "name": "{product}",
        "variables": {"größe": ["L"]},
        "models": {"openai": {"gpt-image-2": {"size_rule": {"min_edge_px": 16}}}},
        "postprocess": {"steps": [{"resize": {"width_px": 64, "height_px": 64}}]},
    }
)


def test_a_plans_file_gives_the_same_order_back(tmp_path):
    target = Target(CAMPAIGN, catalog_of([{"product": "mug"}]), "all", "2026-11-23T00:00:00.000Z", ("generate-0",))
    _, path = target.write(tmp_path)
    assert Target.read(path) == target


@pytest.mark.parametrize("content", [None, b"product\nmag\n"])
def test_a_plan_whose_catalog_was_lost_or_changed_is_damaged(tmp_path, content):
    _, path = Target(CAMPAIGN, catalog_of([{"product": "mug"}]), "all", "").write(tmp_path)
    (copy,) = path.parent.glob("catalog-*")
    copy.unlink() if content is None else copy.write_bytes(content)
    with pytest.raises(DamagedStateError):
        Target.read(path)


def test_a_fact_about_a_model_that_was_not_given_stays_known_in_the_jobs():
    job_settings = JobSettings(orjson.loads(job_settings_json(CAMPAIGN, "models", "limits")))
    facts = load_models(job_settings.models).get("openai", "gpt-image-2").facts
    assert facts.size_rule.min_edge_px == 16
    assert facts.prices is not None


def test_sections_give_the_jobs_the_same_settings():
    job_settings = JobSettings(orjson.loads(job_settings_json(CAMPAIGN, "validation", "postprocess", "model")))
    assert job_settings.validation == CAMPAIGN.validation
    assert job_settings.postprocess == CAMPAIGN.postprocess
    assert job_settings.model == CAMPAIGN.model
