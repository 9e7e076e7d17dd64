"""Things: which ones a text asks for, and which ones are in an image."""

import json

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from folders import ASTRONAUT
from hypothesis import given
from hypothesis import strategies as st
from image_files import saved
from PIL import Image

from imagemake.config.checks import Check, Limit
from imagemake.images.decoded import decode_image
from imagemake.images.networks import WEIGHTS, Network
from imagemake.images.networks.object_finder import LABELS, LEAST_PX
from imagemake.images.object_words import NUMBERS, Asked, counted, plural, things_in
from imagemake.plugins.measures.objects import Objects, ObjectsSettings
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.verdict import Status, judge

NUMBER_WORDS = {word: number for word, number in NUMBERS.items() if number > 1}
PLAIN = sorted(set(LABELS) - {"mouse", "remote", "scissors", "skis"})


def asked(text):
    return {one.label: one.number for one in things_in(text)}


# What a text asks for


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("two cats", {"cat": 2}),
        ("3 mugs on a table", {"cup": 3}),
        ("A dog.", {"dog": 1}),
        ("Product photo of mug made of ceramic", {"cup": None}),
        ("two small black cats and an umbrella", {"cat": 2, "umbrella": 1}),
        ("no people, without a cup or saucer", {"person": 0, "cup": 0}),
        ("without cats or dogs", {"cat": 0, "dog": 0}),
        ("a couple of dogs playing", {"dog": 2}),
        ("three dozen donuts", {"donut": 36}),
        ("two pairs of scissors", {"scissors": 2}),
        ("a few cats, several people", {"cat": None, "person": None}),
        ("the cats", {"cat": None}),
        ("A cat sits on a sofa", {"cat": 1, "couch": 1}),
        ("a hot dog beside a teddy bear", {"hot dog": 1, "teddy bear": 1}),
        ("set of 4 forks", {"fork": 4}),
    ],
)
def test_plain_words_are_understood(text, things):
    assert asked(text) == things


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a cup holder",
        "mug rug",
        "an orange lamp",
        "a lamp in orange",
        "the man's hat",
        "a glass of water",
        "a mouse nibbling",
        "8k photo, f/1.8, 85mm",
        "a dog bed cover",
        "\U0001f431",
    ],
)
def test_what_only_looks_like_a_thing_is_none(text):
    assert asked(text) in ({}, {"bed": None})


@pytest.mark.parametrize("text", ["a red cup and a blue cup", "2024 cups", "8k cups", "0.5 cups", "1000000 cups"])
def test_an_unclear_number_is_not_counted(text):
    assert asked(text) == {"cup": None}


def test_the_same_thing_named_again_without_a_number_keeps_its_number():
    assert asked("Photo of a cat. The cat is black.") == {"cat": 1}


@given(st.sampled_from(PLAIN), st.integers(2, 100))
def test_a_number_before_a_plural_is_how_many(label, number):
    assert things_in(f"Photo of {number} {plural(label)}, white background") == (Asked(label, number),)


@given(st.sampled_from(PLAIN), st.sampled_from(sorted(NUMBER_WORDS)), st.sampled_from(["", "small ", "big red old "]))
def test_number_words_and_adjectives_are_understood(label, word, adjectives):
    assert asked(f"{word} {adjectives}{plural(label)} in the sun") == {label: NUMBER_WORDS[word]}


@given(st.sampled_from(PLAIN), st.sampled_from(PLAIN), st.integers(2, 9), st.integers(2, 9))
def test_each_number_belongs_to_the_thing_behind_it(one, other, many, more):
    if one != other:
        assert asked(f"{many} {plural(one)} and {more} {plural(other)}") == {one: many, other: more}


@given(st.sampled_from(PLAIN), st.integers(0, 100))
def test_what_is_told_in_words_is_understood_again(label, number):
    assert asked(counted(number, label)) == {label: number}


@given(st.text(max_size=200))
def test_any_text_is_taken(text):
    for one in things_in(text):
        assert one.label in LABELS
        assert one.number is None or 0 <= one.number <= 10_000
    assert (Objects.complaint(text) is None) == bool(things_in(text))


@given(st.lists(st.sampled_from([*PLAIN, "two", "7", "no", "or", "of", "pair", "a", ",", "red", "cups", "'s"])))
def test_any_order_of_words_is_taken(words):
    things_in(" ".join(words))


# Comparing


def found(**numbers):
    things = [[label, 0.9, 0, 0, 1, 1] for label, number in numbers.items() for _ in range(number)]
    return {"count": len(things), "kinds": "", "found": json.dumps(things)}


def test_missing_kinds_are_counted_and_named():
    compared = Objects.compare(found(cup=2), "two mugs, a cat and a dog, no people")
    assert (compared["missing_objects"], compared["missing_names"]) == (2, "cat, dog")


def test_the_largest_difference_is_told():
    compared = Objects.compare(found(cup=2, cat=1, person=1), "5 mugs and a cat, no people")
    assert [compared[name] for name in ("count_difference", "count_asked", "count_found")] == [-3, "5 cups", 2]


def test_what_nobody_asked_for_is_too_many():
    compared = Objects.compare(found(person=2), "a street without people")
    assert (compared["count_difference"], compared["count_asked"], compared["missing_objects"]) == (2, "no people", 0)


def test_a_kind_without_a_number_has_no_difference():
    assert set(Objects.compare(found(cup=2), "mugs")) == {"missing_objects", "missing_names"}


def test_a_text_that_names_nothing_known_is_not_compared_and_told():
    assert Objects.compare(found(cup=2), "a lamp") == {}
    assert "names no known object" in Objects.complaint("a lamp")


def test_reasons_say_what_was_asked_for_and_what_was_found():
    checks = {
        "objects.count_difference": Check(review=Limit(min=0, max=0)),
        "objects.missing_objects": Check(review=Limit(max=0)),
    }
    compared = Objects.compare(found(cup=2), "3 mugs and a cat")
    values = {"file.format": "png", **{f"objects.{name}": value for name, value in compared.items()}}
    verdict = judge(values, {}, checks, formats=["png"], size_as_requested=False)
    assert verdict.status is Status.REVIEW
    assert [str(reason) for reason in verdict.reasons] == [
        "objects.count_difference: asked for 3 cups, found 2, at least 0",
        "objects.missing_objects: 1 not found: cat, at most 0",
    ]


def test_each_reason_tells_what_its_own_text_asks_for():
    checks = {
        "objects.count_difference": Check(review=Limit(min=0, max=0)),
        "objects.missing_objects": Check(review=Limit(max=0), variable="product"),
    }
    wanted = Expected("3 mugs and a dog", {"product": "a cat and 2 umbrellas"})
    values = values_of({"objects@1": found(cup=2, dog=1)}, checks, wanted)
    verdict = judge({"file.format": "png", **values}, {}, checks, formats=["png"], size_as_requested=False)
    assert [reason.text for reason in verdict.reasons] == [
        "asked for 3 cups, found 2, at least 0",
        "2 not found: cat, umbrella, at most 0",
    ]


# Images


@pytest.fixture(scope="module")
def read():
    cv2.setNumThreads(1)
    measure = Objects(ObjectsSettings())
    return lambda image: measure.read(decode_image(saved(image, "PNG")))


@pytest.fixture(scope="module")
def astronaut():
    return Image.open(ASTRONAUT).convert("RGB")


def test_a_person_is_found_where_she_is(read, astronaut):
    canvas = Image.new("RGB", (512, 256), "#808080")
    canvas.paste(astronaut, (256, 0))
    values = read(canvas)
    assert (values["count"], values["kinds"]) == (1, "1 person")
    ((label, score, left, top, width, height),) = json.loads(values["found"])
    assert (label, score > 0.5) == ("person", True)
    assert left > 0.45
    assert width * height > 0.2
    assert top + height <= 1


def test_blank_images_tiny_ones_and_strips_have_nothing(read):
    for image in (Image.new("RGB", (300, 300), "white"), Image.new("RGB", (1, 1)), Image.new("RGB", (2000, 2))):
        assert read(image) == {"count": 0, "kinds": "", "found": "[]"}


def test_the_same_image_has_the_same_values_whatever_was_read_before(read, astronaut):
    first = read(astronaut)
    read(Image.new("RGB", (200, 500)))
    assert read(astronaut) == first


@pytest.mark.parametrize("size", [(LEAST_PX, LEAST_PX), (LEAST_PX, 512), (512, LEAST_PX), (96, 160)])
def test_opencv_computes_what_another_runtime_does_also_of_strips(size):
    """One field less, and it reads memory that nobody wrote: what was there before is in the result."""
    model = onnx.load(WEIGHTS / "nanodet_g.onnx")
    for value in (*model.graph.input, *model.graph.output):
        for axis in (2, 3):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}{axis}"
    other = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    blob = np.random.default_rng(0).normal(size=(1, 3, *size)).astype(np.float32)
    network = Network("nanodet_g.onnx")
    for _ in range(3):
        left_behind = [np.full(n, 1e30, dtype=np.float32) for n in (5_000, 50_000, 300_000, 1_000_000)]
        del left_behind
        for ours, theirs in zip(network.run(blob), other.run(None, {"image": blob}), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-3)
