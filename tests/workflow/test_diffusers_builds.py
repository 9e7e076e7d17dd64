"""Builds with a tiny pipeline on the CPU. `make test-diffusers` installs what they need, and runs them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tiny_pipelines import tiny_pipeline
from workflow.project import Project, kill_group

pytest.importorskip("diffusers", reason="needs diffusers and torch: run make test-diffusers")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own-model")
    tiny_pipeline(folder / "models" / "tiny")
    model = {
        "provider": "diffusers",
        "name": "tiny",
        "files": {"pipeline": "../models/tiny"},
        "parameters": {"size": "64x64", "num_inference_steps": 10},
        "local": {"device": "cpu", "batch": 2},
    }
    return Project(folder / "project", rows=8, model=model, validation={"near_duplicates": False})


def keys_made(project):
    return [record["key"] for record in project.journal("closed") if record["outcome"] == "made"]


def test_a_killed_build_goes_on_and_makes_nothing_twice_and_a_moved_model_changes_nothing(project):
    killed = project.start()
    try:
        for _ in range(1800):
            if keys_made(project):
                break
            time.sleep(0.1)
    finally:
        kill_group(killed)
    assert 0 < len(keys_made(project)) < 8, "killed in the middle"
    project.snakemake()
    made = keys_made(project)
    assert len(made) == len(set(made)) == 8
    assert len(project.images()) == 8

    models = project.folder.parent / "models"
    models.rename(models.with_name("elsewhere"))
    project.config["model"]["files"] = {"pipeline": "../elsewhere/tiny"}
    project.write_config()
    assert "8 up to date" in project.snakemake("-n").stderr

    (models.with_name("elsewhere") / "tiny" / "scheduler" / "scheduler_config.json").open("a").write("\n")
    told = project.snakemake("-n").stderr
    assert "8 to generate: key changed: model_files" in told


def test_a_model_that_is_missing_is_told_before_a_job_starts(project, tmp_path):
    Path(project.folder.parent / "elsewhere").rename(tmp_path / "away")
    told = project.snakemake("-n", expect=None)
    assert "there is no pipeline of diffusers" in told.stderr + told.stdout
