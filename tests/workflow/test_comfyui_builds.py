"""A build whose images come from ComfyUI servers."""

from __future__ import annotations

import json

from fake_comfyui import FakeComfyUI, workflow
from workflow.comfyui_killing import comfyui_project, text_of


def test_only_what_the_output_needs_makes_images_again(tmp_path):
    with FakeComfyUI() as one, FakeComfyUI() as two:
        made = comfyui_project(tmp_path / "project", [one, two], 3)
        made.snakemake()
        assert len(made.images()) == 3
        row = made.manifest()["S001"]
        assert row["seed_use"] == "sent"
        (kept,) = (made.folder / "store" / "references").rglob("*.json")
        assert row["model_file.workflow"] in kept.name

        nodes = workflow()
        nodes["3"]["_meta"]["title"] = "The sampler"
        nodes["30"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}
        (made.folder / "config" / "workflow.json").write_text(json.dumps(nodes))
        made.write_config(
            model={**made.config["model"], "workflow": {**made.config["model"]["workflow"], "output": "9"}}
        )
        assert "Nothing to generate" in made.snakemake("-n").stderr

        nodes["3"]["inputs"]["steps"] = 30
        (made.folder / "config" / "workflow.json").write_text(json.dumps(nodes))
        assert "3 to generate: key changed: model_files" in made.snakemake("-n").stderr
        queued = [text_of(prompt) for server in (one, two) for prompt in server.prompts.values()]
        assert len(queued) == len(set(queued)) == 3, "a dry run queues nothing"
