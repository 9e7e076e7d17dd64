"""Exports whose files would collide, lead nowhere, or be wrong are told before anything is made."""

import pytest

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand

FEED = {
    "format": "merchant",
    "base_url": "https://cdn.example.com",
    "columns": dict.fromkeys(("id", "title", "description", "link", "price", "availability"), "{sku}"),
}
ROWS = [{"sku": "M-1", "kind": "mug"}, {"sku": "M-2", "kind": "Mug"}]


def told(export, rows=ROWS, **more):
    plain = {"campaign": "c", "catalog": "config/catalog.csv", "prompt": "a {kind}", "name": "{sku}-{view}"}
    plain |= {"variables": {"view": ["front", "side"]}, "release": {"exports": {"it": export}}, **more}
    try:
        expand(load_campaign(plain), [Row(number, values) for number, values in enumerate(rows, 2)])
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "export",
    [
        {"format": "huggingface", "columns": {"label": "{kind}"}},
        {"format": "kohya", "path": "10_{kind}/{name}", "caption": "{prompt}, {view}"},
        {"format": "coco", "boxes": ["objects"]},
        {"format": "webdataset", "shards": 4},
        {"format": "folders", "path": "{kind}/{sku}/{view}"},
        FEED,
        {"format": "shopify", "base_url": "http://x.example", "columns": {"Handle": "{sku}", "Title": "{kind}"}},
    ],
    ids=lambda export: export["format"],
)
def test_a_good_export_of_each_format_is_accepted(export):
    assert told(export, validation={"measures": {"objects": {}}}) == ""


@pytest.mark.parametrize(
    ("export", "words"),
    [
        ({"format": "huggingface", "path": "{sku}"}, "huggingface has no such option"),
        ({"format": "folders", "path": "{skuu}"}, "unknown placeholder {skuu}.\n  Did you mean 'sku'?"),
        ({"format": "folders", "path": "{prompt}"}, "unknown placeholder {prompt}"),
        ({"format": "folders", "path": "{kind}/{view}"}, "like 'M-1-front' (row 2)"),
        ({"format": "folders", "path": "{kind}//{name}"}, "has no letter, digit, or placeholder"),
        ({"format": "folders", "path": "../../{name}"}, "has no letter, digit, or placeholder"),
        ({"format": "huggingface", "output": "web"}, "unknown output 'web'"),
        ({"format": "huggingface", "columns": {"text": "{sku}"}}, "the export writes this column"),
        ({"format": "coco"}, "coco needs measures with boxes"),
        ({"format": "coco", "boxes": ["faces"]}, "'faces' is not read from the images"),
        ({**FEED, "columns": {"id": "{sku}"}}, "merchant needs the columns title, description, link"),
        ({**FEED, "base_url": "ftp://cdn.example.com"}, "not an address that links can begin with"),
        ({**FEED, "base_url": "https://me:secret@cdn.example.com"}, "contains a user or a password"),
        ({name: value for name, value in FEED.items() if name != "base_url"}, "links need an address"),
        (
            {**FEED, "columns": {**FEED["columns"], "title": "{view}"}},
            "(row 2) differ in it, and so do those of 1 more",
        ),
        ({**FEED, "columns": {**FEED["columns"], "title": "{prompt}"}}, "unknown placeholder {prompt}"),
    ],
)
def test_a_mistake_is_told_with_its_place(export, words):
    assert words in told(export)


def test_a_mistake_that_all_images_have_is_told_once():
    assert told({**FEED, "columns": {**FEED["columns"], "title": "{view}"}}).count("differ in it") == 1
    assert told({"format": "folders", "path": "../{name}"}).count("config/") == 1


def test_boxes_are_not_exported_where_a_step_moves_what_they_are_about():
    export = {"format": "coco", "boxes": ["objects"]}
    measured = {"validation": {"measures": {"objects": {}}}}
    for step, is_good in (
        ({"crop": {"ratio": "1:1"}}, False),
        ({"resize": {"width_px": 100, "height_px": 100, "fit": "cover"}}, False),
        ({"resize": {"width_px": 100}}, True),
    ):
        assert (told(export, postprocess={"steps": [step]}, **measured) == "") is is_good


def test_a_product_with_more_images_than_a_feed_takes_is_told():
    views = {"view": [str(number) for number in range(12)]}
    assert "'M-1' has 12 images, but merchant takes up to 11" in told(FEED, variables=views)


def test_merchant_center_gets_no_avif():
    assert "does not accept AVIF" in told(FEED, postprocess={"output": {"format": "avif"}})


def test_merchant_center_gets_no_image_that_hides_its_origin():
    assert "say so in their metadata" in told(FEED, metadata={"xmp": False})
    assert told({"format": "folders"}, metadata={"xmp": False}) == ""


def test_a_column_that_an_imagefolder_has_itself_is_told():
    rows = [{"sku": "M-1", "kind": "mug", "text": "x"}]
    assert "the catalog has a column 'text'" in told({"format": "huggingface"}, rows)
