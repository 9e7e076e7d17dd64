"""The YAML that pages print is a configuration: what a reader copies loads."""

import re
from pathlib import Path

import pytest

from imagemake.config.campaign import load_campaign
from imagemake.config.yaml12 import read_yaml

ROOT = Path(__file__).resolve().parents[3]
LEAST = {"campaign": "Mugs", "catalog": "config/catalog.csv", "prompt": "A {color} mug", "name": "{sku}"}
PAGES = [ROOT / "README.md", ROOT / "config/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES.remove(ROOT / "docs/how-to/plugins.md")  # its plug-ins are those of the tutorial, which a workflow test builds
FOUND = [
    pytest.param(block, id=f"{page.name}-{n}")
    for page in PAGES
    for n, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M))
]
WORKFLOWS = [block for block in FOUND if "runs-on:" in str(block.values)]
BLOCKS = [block for block in FOUND if block not in WORKFLOWS]


def test_pages_have_such_blocks():
    assert len(BLOCKS) > 10


@pytest.mark.parametrize("block", BLOCKS)
def test_what_a_page_prints_is_a_configuration(block, tmp_path, monkeypatch):
    label = tmp_path / "config" / "ai-label.png"  # that a page puts on images
    label.parent.mkdir()
    label.write_bytes((ROOT / "docs/screenshots/ai-label.png").read_bytes())
    monkeypatch.chdir(tmp_path)
    found = read_yaml(block)
    assert isinstance(found, dict), block
    load_campaign({**LEAST, **found})


@pytest.mark.parametrize("block", WORKFLOWS)
def test_what_a_page_prints_for_ci_runs_commands_that_exist(block):
    steps = [step for job in read_yaml(block)["jobs"].values() for step in job["steps"]]
    commands = [step["run"].partition(" 2>&1 |")[0] for step in steps if "run" in step]
    assert {"snakemake -n", "snakemake pilot", "snakemake"} <= set(commands)
    assert all(command.split()[0] in ("snakemake", "imagemake", "pip") for command in commands)
    assert len(commands) + sum("uses" in step for step in steps) == len(steps)


def test_a_page_has_such_a_workflow():
    assert len(WORKFLOWS) == 1
