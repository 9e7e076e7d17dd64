"""`imagemake comfyui inspect`: what it proposes is a campaign that can be planned."""

import json

import pytest
import yaml
from fake_comfyui import workflow
from unit.plugins.providers.test_comfyui_workflows import CONTROL, FLUX

from imagemake.cli.main import main
from imagemake.config.campaign import load_campaign
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand


def inspect(*arguments, status=0):
    with pytest.raises(SystemExit) as end:
        main(["comfyui", "inspect", *arguments])
    assert end.value.code == status


@pytest.mark.parametrize("nodes", [workflow(), FLUX, CONTROL])
def test_what_is_printed_can_be_pasted_and_planned(tmp_path, monkeypatch, capsys, nodes):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mugs: #1.json").write_text(json.dumps(nodes))
    inspect("mugs: #1.json")
    section = yaml.safe_load(capsys.readouterr().out)
    made = load_campaign({"campaign": "c", "catalog": "c.csv", "prompt": "a mug", "name": "{sku}", **section})
    (request,) = expand(made, [Row(2, {"sku": "a"})])
    assert request.recipe.workflow
    assert made.model.name == "mugs: #1"


def test_files_are_told_that_no_key_can_know_and_where_an_image_lies_beside_the_workflow(tmp_path, capsys):
    (tmp_path / "w.json").write_text(json.dumps(CONTROL))
    (tmp_path / "pose.png").write_bytes(b"")
    inspect(str(tmp_path / "w.json"))
    told = capsys.readouterr().out
    assert "4.ckpt_name: a.safetensors" in told
    assert f"add {tmp_path}/pose.png to `references`" in told
    assert "Node 19 (SaveImage) ends in images too" in told
    inspect(str(tmp_path / "w.json"), "--output", "19")
    told = capsys.readouterr().out
    assert 'references: ["10.image"]' in told
    assert "a.safetensors" not in told, "the output does not need it"


@pytest.mark.parametrize(
    ("content", "words"),
    [('{"nodes": [], "links": []}', "Export (API)"), ("x", "Export (API)"), (None, "there is no such file")],
)
def test_another_file_is_told_with_the_remedy(tmp_path, capsys, content, words):
    if content is not None:
        (tmp_path / "w.json").write_text(content)
    inspect(str(tmp_path / "w.json"), status=2)
    assert words in capsys.readouterr().err


def test_an_unknown_output_is_told_with_the_choices(tmp_path, capsys):
    (tmp_path / "w.json").write_text(json.dumps(workflow()))
    inspect(str(tmp_path / "w.json"), "--output", "77", status=2)
    assert "9 (SaveImage)" in capsys.readouterr().err


def test_titles_cannot_move_the_cursor(tmp_path, capsys):
    nodes = workflow()
    nodes["9"]["_meta"] = {"title": "\x1b[2J\nmodel: {}"}
    nodes["6"]["inputs"]["text"] = "\x1b]0;x\x07\n- y"
    (tmp_path / "w.json").write_text(json.dumps(nodes))
    inspect(str(tmp_path / "w.json"))
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\x07" not in told
    assert yaml.safe_load(told)["model"]["provider"] == "comfyui"
