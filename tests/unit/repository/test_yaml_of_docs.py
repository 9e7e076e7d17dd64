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
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{n}")
    for page in PAGES
    for n, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M))
]


def test_pages_have_such_blocks():
    assert len(BLOCKS) > 10


@pytest.mark.parametrize("block", BLOCKS)
def test_what_a_page_prints_is_a_configuration(block):
    found = read_yaml(block)
    assert isinstance(found, dict), block
    load_campaign({**LEAST, **found})
