"""The campaigns of the page about images that are made from images request what the page says."""

import pytest
from campaigns_of_page import campaigns_of
from PIL import Image

from imagemake.config.campaign import load_campaign
from imagemake.images.source_files import SourceImages
from imagemake.plan.requests.catalog import read_catalog
from imagemake.plan.requests.expand import expand
from imagemake.plan.requests.families import generations

CAMPAIGNS = campaigns_of("how-to/images-from-images.md")
# By campaign: the requests of each generation, those that a person approves, and one image with what it is made from.
EXPECTED = {
    "Angles": ([2, 24], ["MUG-101_hero", "JUG-7_hero"], ("MUG-101_front-view", ("MUG-101_hero",))),
    "A book for children": ([1, 2, 1], [], ("scene-03", ("scene-02",))),
    "Autumn": ([1, 2], ["style-board"], ("JUG-7", ("style-board",))),
    "Banners": ([1, 4], [], ("spring_1088x1920", ("spring_1024x1024",))),
    "Rooms": ([2, 2], [], ("R2_night", ("R2_day",))),
}


def test_the_page_has_a_campaign_for_each_use():
    assert CAMPAIGNS.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_campaign_of_the_page_is_planned_generation_by_generation(name, tmp_path):
    config, text = CAMPAIGNS[name]
    for path in (
        "config/look.png",
        "config/references/look.png",
        "config/products/MUG-101.jpg",
        "config/products/JUG-7.jpg",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64)).save(tmp_path / path)
    catalog = tmp_path / "catalog.csv"
    catalog.write_text(text, encoding="utf-8")
    requests = expand(load_campaign(config), read_catalog(catalog), files=SourceImages(tmp_path))
    sizes, approved, (child, parents) = EXPECTED[name]
    assert [len(one) for one in generations(requests)] == sizes
    assert [one.name for one in requests if one.needs_approval] == approved
    assert {one.name: one.parents for one in requests}[child] == parents
