"""The section `model.workflow`: what it takes, and what it does to keys."""

import json
from pathlib import Path

import pytest
from fake_comfyui import workflow

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand

WORKFLOW = {"file": "config/workflow.json", "inputs": {"prompt": "6.text", "seed": "3.seed"}}
ROWS = [Row(2, {"sku": "a"})]


def campaign(workflow=WORKFLOW, **model):
    section = {"provider": "comfyui", "name": "mugs", "workflow": workflow, **model}
    return load_campaign({"campaign": "c", "catalog": "c.csv", "prompt": "a mug", "name": "{sku}", "model": section})


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(workflow())


def write(nodes):
    path = Path("config/workflow.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(nodes))


def key_of(made):
    (request,) = expand(made, ROWS)
    return request.recipe.key()


def test_servers_can_come_move_and_go_without_another_key():
    key = key_of(campaign())
    assert key_of(campaign(base_url="http://gpu-1:8188", pool=["http://gpu-2:8188"])) == key
    assert key_of(campaign(base_url="http://gpu-1:8188", identity="lab")) != key


def test_a_change_of_the_workflow_or_of_its_places_is_another_key_and_a_title_is_none():
    key = key_of(campaign())
    nodes = workflow()
    nodes["3"]["_meta"] = {"title": "The sampler"}
    write(nodes)
    assert key_of(campaign()) == key
    nodes["3"]["inputs"]["steps"] = 30
    write(nodes)
    other = key_of(campaign())
    with_cfg = {**WORKFLOW, "inputs": {**WORKFLOW["inputs"], "cfg": "3.cfg"}}
    assert len({key, other, key_of(campaign(with_cfg))}) == 3


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (None, "provider comfyui needs a workflow"),
        ({**WORKFLOW, "file": "/etc/passwd"}, "not inside the project"),
        ({**WORKFLOW, "file": "../workflow.json"}, "not inside the project"),
        ({**WORKFLOW, "inputs": {"prompt": "6.text"}}, "no place is given for the seed"),
        ({**WORKFLOW, "inputs": {**WORKFLOW["inputs"], "steps": "3"}}, "'3' names no input of a node"),
        ({**WORKFLOW, "inputs": {**WORKFLOW["inputs"], "api_key": "3.key"}}, "named like a secret"),
    ],
)
def test_a_mistake_in_the_section_is_told(section, words):
    with pytest.raises(UserError, match=words):
        campaign(section)


@pytest.mark.parametrize("name", ["workflow", "pool"])
def test_other_providers_have_no_use_for_it(name):
    value = {"workflow": WORKFLOW, "pool": ["http://a"]}[name]
    with pytest.raises(UserError, match=f"no use for {name}"):
        load_campaign({"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}", "model": {name: value}})


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"nodes": [], "links": []}, "as ComfyUI's editor saves it"),
        ({**workflow(), "6": {"class_type": "Text", "inputs": {}}}, r"node 6 \(Text\) has no input 'text'"),
    ],
)
def test_a_workflow_that_does_not_fit_is_told_with_its_file_in_the_dry_run(nodes, words):
    write(nodes)
    with pytest.raises(UserError, match=rf"model: config/workflow.json: .*{words}"):
        expand(campaign(), ROWS)
