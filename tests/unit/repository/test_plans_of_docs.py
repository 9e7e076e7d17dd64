"""The plans that pages print are those of the campaigns beside them."""

import re

import pytest
from campaigns_of_page import campaigns_of
from folders import REPOSITORY

from imagemake.cli.new_project import write_project
from imagemake.config.campaign import load_campaign
from imagemake.config.yaml12 import read_yaml
from imagemake.workflow.planner import Planner

PLAN = re.compile(r"^\$ snakemake -n\n(imagemake: .*?)(?=^\$ |^```)", re.MULTILINE | re.DOTALL)
CONFIG = re.compile(r"^```yaml\n(campaign: .*?)^```", re.MULTILINE | re.DOTALL)
SHOP = "how-to/pilot-to-full.md"
BATCHES = {"mode": "auto", "batch_from": 20}
LISTED = {
    "more_models": {"flux": {"provider": "openai", "name": "flux-dev", "base_url": "http://localhost:8000/v1"}},
    "model_rules": [{"model": ["gpt-image-2", "flux"]}],
}


ANGLES, ANGLES_CATALOG = campaigns_of("how-to/images-from-images.md")["Angles"]


def text_of(page):
    return (REPOSITORY / "docs" / page).read_text(encoding="utf-8")


def campaign_of(page, **changes):
    """The first campaign of a page, without gates; `mode` and `batch_from` are of its model."""
    config = read_yaml(CONFIG.search(text_of(page))[1])
    config["model"] |= {name: changes.pop(name) for name in BATCHES if name in changes}
    return config | {"gates": {}} | changes


@pytest.mark.parametrize(
    ("page", "campaign"),
    [
        ("how-to/real-provider.md", campaign_of("how-to/real-provider.md")),
        ("explanation/money.md", campaign_of(SHOP)),
        ("how-to/half-price-batches.md", campaign_of(SHOP, budget_usd={}, **BATCHES)),
        ("how-to/several-models.md", campaign_of(SHOP, budget_usd={}, **LISTED)),
        ("how-to/images-from-images.md", ANGLES | {"references": ["image:{sku}_hero"], "budget_usd": {}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_new_campaign_is_planned_as_its_page_prints(page, campaign, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    list(write_project(tmp_path, "shop", "preview"))
    if campaign["campaign"] == "Angles":
        (tmp_path / campaign["catalog"]).write_text(ANGLES_CATALOG)
    Planner(load_campaign(campaign)).plan("all")
    shown = next(plan for plan in PLAN.findall(text_of(page)) if "        0 up to date" in plan)
    told = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("  Warning: images of gpt")]
    assert shown.splitlines() == told
