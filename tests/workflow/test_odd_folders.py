"""A project builds wherever it is: Snakemake formats braces, and the shell reads quotes and dollars."""

from __future__ import annotations

import os

from workflow.project import Project

NOTE = "x" * 40_000  # of four rows: more than a command line holds


def test_a_project_with_long_settings_builds_in_a_folder_with_braces_quotes_and_dollars(tmp_path, monkeypatch):
    folder = tmp_path / """-{x} {input} $HOME 'q' "d" %s ü"""
    folder.mkdir()
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(folder / "plugins"), *os.environ.get("PYTHONPATH", "").split(":")])
    )
    made = Project(folder, campaign="{x} $HOME 'q'", catalog="config/{x} $y.csv", name="{sku}")
    made.rows = [{**row, "note": f"{number}{NOTE}"} for number, row in enumerate(made.rows)]
    made.write_catalog()
    (folder / "config" / "catalog.csv").rename(folder / "config" / "{x} $y.csv")
    overrides = [{"when": {"note": [row["note"] for row in made.rows]}, "reject": {"min": 0.0}}]
    made.write_config(validation={"checks": {"tone.contrast": {"overrides": overrides}}})
    made.snakemake("pilot")
    assert set(made.images("results/pilot/images")) == {f"S00{n}.jpg" for n in range(4)}
