"""The tutorial of docs/how-to/plugins.md: its packages, installed from the page, make and check and change images."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from folders import REPOSITORY
from PIL import Image
from workflow.project import Project

PACKAGES = ("imagemake-stripes", "imagemake-symmetry", "imagemake-rotate")
_FILE = re.compile(r"^`(?P<path>[^`\n]+)`\n\n```\w+\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)


def files_of_the_page():
    page = (REPOSITORY / "docs" / "how-to" / "plugins.md").read_text(encoding="utf-8")
    return {match["path"]: match["text"] for match in _FILE.finditer(page)}


@pytest.fixture
def tutorial(tmp_path, monkeypatch):
    """A project as the page describes it, with the three packages installed outside of the source tree."""
    files = files_of_the_page()
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    installed = tmp_path / "installed"
    packages = [str(tmp_path / one) for one in PACKAGES]
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--offline", "--no-deps"]
    command += ["--no-build-isolation", "--python", sys.executable, "--target", str(installed), *packages]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("PYTHONPATH", f"{installed}:{os.environ.get('PYTHONPATH', '')}")
    project = Project(tmp_path / "project", **yaml.safe_load(files["config/config.yaml"]))
    (project.folder / "config" / "catalog.csv").write_text(files["config/catalog.csv"], encoding="utf-8")
    return project


def test_a_provider_a_measure_and_a_step_of_other_packages_build_a_project(tutorial):
    # Beside the page's images, a maroon one whose range its stripes cannot reach.
    checks = tutorial.config["validation"]["checks"]
    checks["symmetry.difference"]["overrides"] = [{"when": {"color": "maroon"}, "reject": {"min": 0.5}}]
    tutorial.write_config(attempts={"max": 1})
    with (tutorial.folder / "config" / "catalog.csv").open("a", encoding="utf-8") as catalog:
        catalog.write("maroon\n")
    tutorial.snakemake(expect=1)

    manifest = tutorial.manifest()
    assert {row["provider"] for row in manifest.values()} == {"stripes"}
    assert all(float(row["measure.symmetry.difference"]) <= 0.1 for row in manifest.values())
    maroon = manifest.pop("maroon-stripes")
    assert maroon["verdict"] == "rejected"
    assert "away from its mirror image, at least 0.5 for color maroon" in str(maroon["reasons"])
    assert {row["verdict"] for row in manifest.values()} == {"accepted"}
    assert set(tutorial.images()) == {"navy-stripes.png", "teal-stripes.png"}
    for name, color in {"navy-stripes": (0, 0, 128), "teal-stripes": (0, 128, 128)}.items():
        with Image.open(tutorial.folder / "results" / "images" / f"{name}.png") as image:
            assert image.size == (64, 96)  # painted 96 px wide, then rotated
            rows = [{image.getpixel((x, y)) for x in range(64)} for y in range(96)]
        assert all(len(colors) == 1 for colors in rows)  # the stripes run across
        assert set().union(*rows) == {color, (255, 255, 255)}
