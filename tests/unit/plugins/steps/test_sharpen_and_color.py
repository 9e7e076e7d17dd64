"""Casts taken away, the part with most detail, an area in megapixels: with numbers, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from imagemake.config.chosen_plugins import chosen_step
from imagemake.plugins.steps import step_class

GRAYS = (40, 110, 180, 230)


def step(name, **settings):
    kind = step_class(name)
    return kind(kind.Settings.model_validate(settings))


def chart(cast=(1.0, 1.0, 1.0), mode="RGB"):
    """Gray patches before light gray, in a light of some color."""
    image = Image.new("RGB", (200, 120), (225, 225, 225))
    draw = ImageDraw.Draw(image)
    for place, gray in enumerate(GRAYS):
        draw.rectangle((20 + 40 * place, 30, 50 + 40 * place, 90), fill=(gray,) * 3)
    light = (np.asarray(image, dtype=np.float64) / 255) ** 2.2 * cast
    lit = Image.fromarray(np.uint8(np.round(255 * np.clip(light, 0, 1) ** (1 / 2.2))))
    return lit.convert(mode)


def patches(image):
    return [image.convert("RGB").getpixel((35 + 40 * place, 60)) for place in range(len(GRAYS))]


def spread(colors):
    return max(max(color) - min(color) for color in colors)


@pytest.mark.parametrize("by", ["border", "gray_world"])
@pytest.mark.parametrize("cast", [(1.0, 0.92, 0.8), (0.85, 0.95, 1.0), (1.0, 0.9, 0.7)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_cast_is_taken_away_and_grays_are_gray_again(by, cast, mode):
    lit = chart(cast, mode)
    assert spread(patches(lit)) > 10
    balanced = step("color", white_balance={"by": by}).apply(lit)
    assert balanced.mode == mode
    assert spread(patches(balanced)) <= 2
    brightness = [np.mean(np.asarray(one.convert("L"))) for one in (lit, balanced)]
    assert brightness[0] == pytest.approx(brightness[1], abs=3)


@pytest.mark.parametrize("ground", [(255, 255, 255), (238, 240, 239)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_red_thing_before_white_has_no_cast_for_gray_world(ground, mode):
    image = Image.new("RGB", (200, 120), ground)
    ImageDraw.Draw(image).ellipse((40, 20, 160, 119), fill=(190, 60, 50))  # it touches the border
    image = image.convert(mode)
    balanced = step("color", white_balance={"by": "gray_world"}).apply(image)
    assert np.abs(np.asarray(balanced, dtype=int) - np.asarray(image)).max() <= 2


def test_a_scene_without_a_plain_border_is_balanced_by_its_mean():
    noise = np.random.default_rng(0).integers(60, 200, (90, 120, 3))
    warm = Image.fromarray(np.uint8(noise * (1.0, 0.95, 0.85)))
    balanced = step("color", white_balance={"by": "gray_world"}).apply(warm)
    assert spread([np.asarray(warm).mean(axis=(0, 1))]) > 15
    assert spread([np.asarray(balanced).mean(axis=(0, 1))]) < 3


def test_half_a_strength_takes_half_of_it():
    lit = chart((1.0, 0.92, 0.8))
    half = step("color", white_balance={"strength": 0.5}).apply(lit)
    assert 0.35 < spread(patches(half)) / spread(patches(lit)) < 0.65


def test_a_background_that_has_a_color_is_no_cast():
    teal = Image.new("RGB", (100, 80), (31, 129, 133))
    assert step("color", white_balance={}).apply(teal).tobytes() == teal.tobytes()


@pytest.mark.parametrize("image", [Image.new("RGBA", (9, 9), (9, 9, 9, 0)), Image.new("RGB", (1, 700))])
def test_where_nothing_can_be_told_nothing_is_changed(image):
    assert step("color", white_balance={}).apply(image).tobytes() == image.tobytes()


def detail_at(left_px, size_px=(300, 100)):
    image = Image.new("RGB", size_px, "white")
    ImageDraw.Draw(image).ellipse((left_px, 30, left_px + 40, 70), fill="navy", outline="black")
    return image


@pytest.mark.parametrize("left_px", [5, 130, 250])
def test_a_smart_crop_keeps_what_has_detail(left_px):
    cut = step("crop", ratio="1:1", gravity="smart").apply(detail_at(left_px))
    assert cut.size == (100, 100)
    assert np.asarray(cut.convert("L")).min() < 60
    dark = np.asarray(cut.convert("L")) < 128
    whole = np.asarray(detail_at(left_px).convert("L")) < 128
    assert dark.sum() == whole.sum(), "all of it"


def test_of_a_blank_image_the_middle_stays():
    image = Image.linear_gradient("L").resize((300, 100)).convert("RGB")
    cut = step("crop", ratio="1:1", gravity="smart").apply(Image.new("RGB", (300, 100), "white"))
    assert cut.size == (100, 100)
    tall = step("crop", ratio="1:1", gravity="smart").apply(image.rotate(90, expand=True))
    assert tall.size == (100, 100)


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(["1:1", "16:9", "2:3"]))
def test_a_smart_crop_is_as_large_as_any_and_within_the_image(width_px, height_px, ratio):
    image = Image.effect_noise((width_px, height_px), 60).convert("RGB")
    assert step("crop", ratio=ratio, gravity="smart").apply(image).size == step("crop", ratio=ratio).apply(image).size


@pytest.mark.parametrize("size_px", [(4000, 1000), (1000, 4000), (1500, 1500)])
def test_megapixels_give_the_area_in_the_images_own_shape(size_px):
    resized = step("resize", megapixels=0.5).apply(Image.new("RGB", size_px))
    assert resized.width * resized.height == pytest.approx(500_000, rel=0.002)
    assert resized.width / resized.height == pytest.approx(size_px[0] / size_px[1], rel=0.004)


def test_an_image_that_is_smaller_stays_unless_it_may_grow():
    small = Image.new("RGB", (100, 50))
    assert step("resize", megapixels=1).apply(small).size == (100, 50)
    assert step("resize", megapixels=0.02, enlarge=True).apply(small).size == (200, 100)


@pytest.mark.parametrize("also", [{"width_px": 10}, {"fit": "cover", "width_px": 1, "height_px": 1}])
def test_megapixels_and_sides_are_a_mistake(also):
    with pytest.raises(ValueError, match="megapixels keeps the ratio"):
        step("resize", megapixels=1, **also)


def test_settings_that_came_later_are_in_no_key_until_they_are_used():
    assert "megapixels" not in chosen_step("resize", {"width_px": 9}).settings
    assert "white_balance" not in chosen_step("color", {}).settings
    assert chosen_step("resize", {"megapixels": 1}).settings["megapixels"] == 1
