"""Requests that do not fit their workflow are told before anything is queued."""

import json
from datetime import date
from types import SimpleNamespace

import pytest
from fake_comfyui import workflow

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand
from imagemake.workflow.preflight.models import check_models


def test_a_value_without_a_place_is_told_once_with_the_first_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.json").write_text(json.dumps(workflow()))
    section = {"file": "w.json", "inputs": {"prompt": "6.text", "seed": "3.seed", "steps": "3.steps"}}
    model = {"provider": "comfyui", "name": "mugs", "workflow": section}
    campaign = load_campaign({"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}", "model": model})
    rows = [Row(2, {"sku": "a", "parameters.steps": "8", "parameters.cfg": ""})]
    rows += [Row(n, {"sku": f"b{n}", "parameters.steps": "8", "parameters.cfg": "7"}) for n in (3, 4)]
    states = [SimpleNamespace(recipe=request.recipe, request=request, parents=()) for request in expand(campaign, rows)]
    assert check_models(states[:1], campaign, {}, date(2026, 11, 27)) == []
    with pytest.raises(UserError, match=r"row 3 \(b3 and 1 other\): the workflow has no input for .* 'cfg'"):
        check_models(states, campaign, {}, date(2026, 11, 27))
