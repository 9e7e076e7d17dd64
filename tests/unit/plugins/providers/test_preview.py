from __future__ import annotations

import asyncio
import subprocess
import sys
from io import BytesIO
from itertools import combinations

import imagehash
import numpy as np
import pytest
import yaml
from folders import REPOSITORY
from PIL import Image

from imagemake.config.campaign import load_campaign
from imagemake.core.recipe import Recipe
from imagemake.images.color_words import colors_in
from imagemake.plan.requests.catalog import read_catalog
from imagemake.plan.requests.expand import expand
from imagemake.plugins.providers import Connection, FailureKind, ProviderError, provider_class
from imagemake.plugins.providers.preview import PreviewProvider
from imagemake.plugins.providers.preview.draw import draw
from imagemake.plugins.providers.preview.scene import scene_of
from imagemake.plugins.providers.preview.shapes import SHAPES

SMALL = "128x128"
MUG = "Product photo of a mug on a white background, front view, navy blue, high detail."


def recipe(prompt=MUG, seed=1, negative=None, size=SMALL, model="preview-1", **parameters):
    return Recipe("preview", model, prompt, seed, {"size": size, **parameters}, negative)


def answer(*args, **kwargs):
    return asyncio.run(PreviewProvider(Connection(None, 1)).generate(recipe(*args, **kwargs))).image


def image(*args, **kwargs):
    return draw(scene_of(recipe(*args, **kwargs)))


def pixels(*args, **kwargs):
    return np.asarray(image(*args, **kwargs)).astype(int)


def scene(prompt, **kwargs):
    return scene_of(recipe(prompt, **kwargs))


def error_of(*args, **kwargs):
    with pytest.raises(ProviderError) as caught:
        answer(*args, **kwargs)
    return caught.value


def run_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_is_registered_and_free():
    assert provider_class("preview") is PreviewProvider
    assert PreviewProvider.paid is False


def test_importing_it_imports_no_imaging_library():
    heavy = "{'numpy', 'PIL', 'cv2'} & set(sys.modules)"
    assert run_python(f"import sys, imagemake.plugins.providers.preview; print(sorted({heavy}))") == "[]"


def test_the_same_recipe_gives_the_same_bytes_in_another_process():
    code = (
        "import asyncio, hashlib\n"
        "from imagemake.plugins.providers import Connection\n"
        "from imagemake.plugins.providers.preview import PreviewProvider\n"
        "from imagemake.core.recipe import Recipe\n"
        f"recipe = Recipe('preview', 'preview-1', {MUG!r}, 1, {{'size': '128x128'}})\n"
        "answer = asyncio.run(PreviewProvider(Connection(None, 1)).generate(recipe))\n"
        "print(hashlib.sha256(answer.image).hexdigest())"
    )
    assert len({run_python(code), run_python(code)}) == 1


def test_what_was_drawn_before_leaves_no_trace_in_an_image():
    first = answer()
    answer("Photo of a striped red chair, side view", seed=2)
    assert answer() == first


def test_other_seeds_give_images_that_look_different():
    hashes = [imagehash.phash(image(seed=seed, size="256x256")) for seed in range(24)]
    near = sum(a - b <= 4 for a, b in combinations(hashes, 2))
    assert near <= 3  # of 276 pairs


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("a navy blue mug", ["navy blue"]),
        ("a Forest Green mug", ["forest green"]),
        ("a blue mug with green stripes", ["blue", "green"]),
        ("a linen cushion, dusty blue", ["dusty blue", "linen"]),
        ("a heather grey shirt", ["heather gray"]),
        ("a dark olive green bag", ["dark olive green"]),
        ("a pale pink vase", ["pale pink"]),
        ("a CornflowerBlue vase", ["cornflowerblue"]),
        ("an off-white lamp", ["off white"]),
        ("a credible thing, scored", []),
    ],
)
def test_color_words_are_understood(prompt, names):
    assert [color.name for color in colors_in(prompt)] == names


@pytest.mark.parametrize(
    ("word", "channels"), [("red", (0, 2)), ("blue", (2, 0)), ("green", (1, 0)), ("yellow", (0, 2)), ("purple", (2, 1))]
)
def test_the_product_has_the_color_of_the_prompt(word, channels):
    drawn = pixels(f"Photo of a vase on a white background, {word}", negative="pattern, shadow, text")
    product = drawn[(drawn.max(axis=2) - drawn.min(axis=2)) > 25].mean(axis=0)
    more, less = channels
    assert product[more] > product[less] + 50


def test_the_color_of_the_background_is_not_the_products():
    wanted = scene("A white mug on a sage green background")
    assert wanted.background == colors_in("sage green")[0].rgb
    assert min(wanted.color) > 225


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("front view", "front view"),
        ("seen from the side", "side view"),
        ("left side view", "left side view"),
        ("rear view", "back view"),
        ("top-down", "top-down view"),
        ("shot from above", "top-down view"),
        ("three quarter view", "three-quarter view"),
        ("at a 45 degree angle", "three-quarter view"),
        ("side", "side view"),
        ("high detail", ""),
        ("in the background", ""),
    ],
)
def test_camera_angles_are_understood(words, name):
    assert scene(f"Photo of a backpack, {words}, navy").view.name == name


@pytest.mark.parametrize(("words", "close"), [("close-up", True), ("macro", True), ("high detail", False)])
def test_only_a_close_up_is_one(words, close):
    assert scene(f"Photo of a mug, {words}").close_up is close


@pytest.mark.parametrize("noun", ["mug", "shoe", "chair", "backpack", "book"])
def test_every_camera_angle_changes_the_drawing(noun):
    angles = ["front view", "side view", "back view", "top-down view", "three-quarter view", "close-up"]
    drawn = [pixels(f"Photo of a {noun}, {angle}, teal", negative="text") for angle in angles]
    assert all((abs(a - b).max(axis=2) > 40).mean() > 0.01 for a, b in combinations(drawn, 2))


def test_left_and_right_side_are_never_mirrored_into_each_other():
    sides = [
        scene(f"Photo of a shoe, {side} side view", seed=seed).look for side in ("left", "right") for seed in range(9)
    ]
    assert not any(look.mirrored for look in sides)


@pytest.mark.parametrize(
    ("subject", "shape"),
    [
        ("a coffee mug", "mug"),
        ("two ceramic cups", "mug"),
        ("a water bottle", "bottle"),
        ("an organic cotton T-shirt", "shirt"),
        ("running shoes", "shoe"),
        ("a book bag", "tote"),
        ("a leather backpack", "backpack"),
        ("a lamp with a book beside it", "lamp"),
        ("a hardcover notebook", "book"),
        ("a wristwatch", "watch"),
        ("baseball cap", "cap"),
        ("a potted plant", "plant"),
        ("scented candles", "candle"),
        ("a velvet cushion", "pillow"),
        ("a mug box", "box"),
        ("a glass teapot", "teapot"),
        ("a hyperdrive", "card"),
    ],
)
def test_the_subject_decides_the_shape(subject, shape):
    assert scene(f"Product photo of {subject} on a white background").shape == shape


def test_no_two_shapes_are_drawn_alike():
    drawn = [
        pixels(f"Photo of a {[*shape.nouns, name][0]}, red, three-quarter view", negative="text")
        for name, shape in SHAPES.items()
    ]
    assert all((abs(a - b).max(axis=2) > 40).mean() > 0.01 for a, b in combinations(drawn, 2))


@pytest.mark.parametrize("noun", [shape.nouns[0] for shape in SHAPES.values() if shape.nouns])
def test_a_white_product_is_seen_on_white(noun):
    luma = np.asarray(image(f"Photo of a {noun} on a white background, white", size="256x256").convert("L"))
    assert luma.std() > 8
    assert (luma < 200).mean() > 0.005


def test_a_black_product_is_seen_on_black():
    luma = np.asarray(image("Photo of a tote bag on a black background, black, front view").convert("L"))
    assert luma.std() > 8


def test_a_white_background_is_white_and_a_black_one_dark():
    assert (pixels("Photo of a mug on a white background")[:4] == 255).all()
    assert pixels("Photo of a mug on a black background")[:4].max() < 80


@pytest.mark.parametrize(
    ("prompt", "parameters"),
    [("Photo of a red mug on a transparent background", {}), ("Photo of a red mug", {"background": "transparent"})],
)
def test_a_transparent_background_lets_through_and_the_product_does_not(prompt, parameters):
    with Image.open(BytesIO(answer(prompt, negative="text, shadow", output_format="webp", **parameters))) as drawn:
        assert drawn.mode == "RGBA"
        alpha = np.asarray(drawn)[..., 3]
    assert (alpha[:4] == 0).all()
    assert (alpha == 255).mean() > 0.1


@pytest.mark.parametrize("parameters", [{"output_format": "jpeg"}, {"background": "opaque"}])
def test_what_cannot_be_transparent_is_white(parameters):
    assert scene("A mug on a transparent background", **parameters).background == (255, 255, 255)


@pytest.mark.parametrize("size", ["16x16", "64x64", "97x31", "16x1024", "1024x16", "300x200"])
def test_the_image_has_the_size_that_was_asked_for(size):
    assert "{}x{}".format(*image("Photo of a plant, close-up", size=size).size) == size


def test_auto_is_1024_px_square():
    wanted = scene("Photo of a mug", size="auto")
    assert (wanted.width_px, wanted.height_px) == (1024, 1024)


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_the_file_has_the_format_that_was_asked_for(name):
    with Image.open(BytesIO(answer(output_format=name))) as drawn:
        assert drawn.format == name.upper()


def test_compression_shrinks_a_jpeg():
    assert len(answer(output_format="jpeg", output_compression=20)) < len(answer(output_format="jpeg"))


@pytest.mark.parametrize("parameters", [{"quality": "max"}, {"moderation": "low"}, {"complexity": "high"}])
def test_a_parameter_for_real_models_changes_nothing(parameters):
    assert answer(**parameters) == answer()


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"model": "preview-2"}, "model_not_found"),
        ({"sise": "64x64"}, "unknown_parameter"),
        ({"n": 1}, "unknown_parameter"),
        ({"size": "8x64"}, "invalid_value"),
        ({"size": "64x5000"}, "invalid_value"),
        ({"size": "64"}, "invalid_value"),
        ({"size": 64}, "invalid_value"),
        ({"quality": "ultra"}, "invalid_value"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value"),
        ({"output_compression": 50}, "invalid_value"),
        ({"output_compression": 101, "output_format": "jpeg"}, "invalid_value"),
        ({"output_compression": True, "output_format": "webp"}, "invalid_value"),
        ({"prompt": "Photo of a mug [refuse]"}, "moderation_blocked"),
    ],
)
def test_what_the_model_does_not_know_is_refused(parameters, code):
    error = error_of(**parameters)
    assert (error.failure, error.code) == (FailureKind.REFUSED, code)


def test_a_base_url_stops_with_a_remedy():
    with pytest.raises(ProviderError) as caught:
        PreviewProvider(Connection("http://localhost:1", 1))
    assert caught.value.failure is FailureKind.STOP
    assert "base_url" in (caught.value.remedy or "")


@pytest.mark.parametrize("size", ["64x64", "512x512"])
def test_the_mark_stays_whatever_the_negative_prompt_says(size):
    drawn = pixels("Photo of a mug on a white background", size=size, negative="text, watermark, words, shadow")
    height, width = drawn.shape[:2]
    assert (drawn[int(height * 0.92) :, int(width * 0.5) :].min(axis=2) < 160).sum() > 12
    assert (drawn[int(height * 0.92) :, : int(width * 0.4)] == 255).all()  # where the caption would be


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        ("no shadows please", {"shadow"}),
        ("blurry, watermark", {"caption"}),
        ("logo", {"badge"}),
        ("stripes", {"pattern"}),
        ("blurry, deformed", set()),
    ],
)
def test_a_negative_prompt_takes_out_what_it_names(words, left_out):
    assert scene(MUG, negative=words).left_out == left_out


def test_without_a_shadow_the_ground_is_white():
    shadowed, bare = (pixels(MUG, negative=words) for words in ("text", "text, shadow"))
    assert (bare == 255).all(axis=2).mean() > (shadowed == 255).all(axis=2).mean() + 0.02


def test_a_blank_image_has_one_color():
    assert len(np.unique(pixels("[blank] Photo of a mug on a teal background").reshape(-1, 3), axis=0)) == 1


def test_low_contrast_is_low_but_there():
    luma = np.asarray(image("Photo of a black mug on a white background [low contrast]").convert("L"))
    assert 0 < luma.std() < 8


def test_sometimes_blank_is_blank_for_some_seeds_and_not_for_others():
    blanks = [scene("Photo of a mug [sometimes blank]", seed=seed).blank for seed in range(40)]
    assert 8 < sum(blanks) < 32


@pytest.mark.parametrize(
    "prompt",
    ["", "\x00\x1b[31m\n\t", "{product}", "猫 " * 4000, "a-" * 16_000, "on a " * 6000 + "background", "(" * 32_000],
)
def test_hostile_prompts_are_drawn_as_a_card(prompt):
    wanted = scene(prompt)
    assert wanted.shape == "card"
    assert wanted.caption.isprintable()
    assert draw(wanted).size == (128, 128)


@pytest.fixture(scope="module")
def example():
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    config["model"]["parameters"]["size"] = "128x128"
    return expand(load_campaign(config), read_catalog(REPOSITORY / "config" / "catalog.csv"))


def test_the_example_has_250_images_of_25_products(example):
    assert len(example) == 250
    assert len({request.variables["sku"] for request in example}) == 25


def test_the_preview_knows_every_word_of_the_example(example):
    scenes = [scene_of(request.recipe) for request in example]
    assert {request.variables["product"] for request, s in zip(example, scenes, strict=True) if s.shape == "box"} == {
        "rigid gift box"
    }
    assert all(s.view.name or s.close_up for s in scenes)
    assert all(request.variables["color"] in s.caption for request, s in zip(example, scenes, strict=True))


def test_the_example_draws_no_near_duplicates(example):
    hashes = np.array([imagehash.phash(draw(scene_of(request.recipe))).hash.ravel() for request in example])
    distances = (hashes[:, None] != hashes[None]).sum(axis=2)
    assert distances[np.triu_indices(len(hashes), 1)].min() > 4


def test_a_card_names_what_has_no_drawing_and_turns_its_face_to_every_angle():
    for angle in ("front view", "back view", "left side view", "top-down view", "close-up"):
        named = pixels(f"Photo of a hyperdrive, {angle}", negative="caption")
        other = pixels(f"Photo of a unicorn saddle, {angle}", negative="caption")
        assert (abs(named - other).max(axis=2) > 60).mean() > 0.002, angle
    assert not scene("Photo of a hyperdrive", seed=3).look.mirrored
