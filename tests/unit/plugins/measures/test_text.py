"""Lettering: found on images, allowed where it was asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from image_files import saved
from PIL import Image, ImageDraw, ImageFont

from imagemake.config.checks import Check, Limit
from imagemake.images.decoded import decode_image
from imagemake.plugins.measures.text import Text, TextSettings
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.verdict import judge


@pytest.fixture(scope="module")
def measure():
    return Text(TextSettings())


def sign(*words, size_px=48):
    """Draw words below each other on a smooth ground."""
    ground = Image.linear_gradient("L").resize((512, 512)).convert("RGB")
    for number, word in enumerate(words):
        place = (40, 40 + 150 * number)
        ImageDraw.Draw(ground).text(place, word, fill="#c03020", font=ImageFont.load_default(size_px))
    return ground


def read(measure, image):
    return measure.read(decode_image(saved(image, "PNG")))


def kept(*texts, area=0.01, left=0.1, top=0.1):
    regions = [[text, 0.99, left, top, 0.2, 0.05, area] for text in texts]
    return {"regions": len(regions), "share": area * len(regions), "words": json.dumps(regions)}


def test_words_are_read_with_their_place_and_area(measure):
    values = read(measure, sign("GRAND SALE"))
    ((text, score, left, top, width, height, area),) = json.loads(values["words"])
    assert text.replace(" ", "").upper() == "GRANDSALE"
    assert score > 0.85
    assert (left, top) == (pytest.approx(40 / 512, abs=0.02), pytest.approx(40 / 512, abs=0.04))
    assert values["share"] == area == pytest.approx(width * height, rel=0.3)
    assert set(values) == set(Text.quantities)


def test_an_image_without_text_has_none(measure):
    blank, random = Image.new("RGB", (300, 200), "white"), np.random.default_rng(1)
    noise = Image.fromarray(random.integers(0, 256, (200, 300, 3), dtype=np.uint8))
    for image in (blank, noise, sign()):
        assert read(measure, image) == {"regions": 0, "share": 0, "words": "[]"}


@pytest.mark.parametrize("size", [(1, 1), (2, 700), (700, 1), (30, 30)])
def test_tiny_images_and_strips_can_be_read(measure, size):
    assert read(measure, Image.new("RGB", size))["regions"] == 0


def test_reading_twice_gives_the_same(measure):
    assert read(measure, sign("GRAND", "SALE")) == read(measure, sign("GRAND", "SALE"))


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("SALE", "A mug with the words “Grand Sale” on it", 0),
        ("GRANDSALE", "A mug with the words Grand Sale on it", 0),
        ("Grand sale!", "GRAND SALE", 0),
        ("SALLE", "Grand Sale", 1),
        ("SALE NOW", "Grand Sale", 1),
        ("\uff33\uff21\uff2c\uff25", "sale", 0),  # letters of full width
        ("ab", "a mug about", 1),
    ],
)
def test_words_that_were_asked_for_are_wanted_and_others_are_not(text, wanted, unwanted):
    assert Text.compare(kept(text), wanted)["unwanted_regions"] == unwanted


def test_words_of_a_slogan_that_are_not_there_are_counted():
    assert Text.compare(kept("GRAND", "SALE"), "Grand Summer Sale")["missing_words"] == 1
    assert Text.compare(kept(), "Grand Sale")["missing_words"] == 2


@pytest.mark.parametrize(
    ("left", "top", "place"), [(0.05, 0.05, "top left"), (0.4, 0.48, "in the center"), (0.75, 0.9, "bottom right")]
)
def test_where_it_is_is_told_in_words(left, top, place):
    assert Text.compare(kept("SALE", left=left, top=top), "a mug")["unwanted_place"] == place


def test_the_reason_says_how_many_how_much_where_and_the_limit():
    checks = {"text.unwanted_share": Check(reject=Limit(max=0.01))}
    measured = {"text@1": kept("SALE", "NOW", "ONLY", area=0.0137), "file@1": {"format": "png"}}
    values = values_of(measured, checks, Expected("a mug", {}))
    verdict = judge(values, {}, checks, formats=["png"], size_as_requested=True)
    (reason,) = map(str, verdict.reasons)
    assert reason == "text.unwanted_share: 3 region(s), 4.11 % of the area, mostly top left, at most 1 %"


def test_what_an_image_says_is_data():
    values = kept("{0.__class__} \"'<b>")
    checks = {"text.share": Check(reject=Limit(max=0.001))}
    verdict = judge(
        {"file.format": "png", **{f"text.{name}": value for name, value in values.items()}},
        {},
        checks,
        formats=["png"],
        size_as_requested=True,
    )
    assert str(verdict.reasons[0]) == "text.share: 1 region(s), 1 % of the area, at most 0.1 %"


def test_words_in_the_prompt_and_in_a_column_can_be_asked_for():
    measured = {"text@1": kept("SALE")}
    by_prompt = {"text.unwanted_regions": Check(reject=Limit(max=0))}
    by_column = {"text.unwanted_regions": Check(reject=Limit(max=0), variable="slogan")}
    wanted = Expected("a mug that says sale", {"slogan": "Summer"})
    assert values_of(measured, by_prompt, wanted)["text.unwanted_regions"] == 0
    assert values_of(measured, by_column, wanted)["text.unwanted_regions"] == 1
    assert values_of(measured, by_column, wanted)["text.missing_words"] == 1
    assert "text.missing_words" not in values_of(measured, by_prompt, wanted)
