"""Colors and backgrounds: what is read belongs to the image, what was asked for is compared later."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from image_files import saved
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from imagemake.images.color_words import named_colors
from imagemake.images.decoded import decode_image
from imagemake.images.lab import distance, lab_of
from imagemake.plugins.measures.background import Background, BackgroundSettings
from imagemake.plugins.measures.colors import Colors, ColorsSettings


def ball(color, background="white", side_px=256):
    """Draw a ball with a light and a dark side."""
    image = Image.new("RGB", (side_px, side_px), background)
    ImageDraw.Draw(image).ellipse((side_px // 4,) * 2 + (side_px * 3 // 4,) * 2, fill=color)
    light = np.linspace(1.15, 0.6, side_px)[:, None, None]
    inside = np.asarray(image) != np.asarray(Image.new("RGB", image.size, background))
    lit = np.clip(np.asarray(image) * light, 0, 255).astype(np.uint8)
    return Image.fromarray(np.where(inside, lit, np.asarray(image)))


def colors(image):
    return Colors(ColorsSettings()).read(decode_image(saved(image, "PNG")))


def background(image, **settings):
    return Background(BackgroundSettings(**settings)).read(decode_image(saved(image, "PNG")))


def rgb_of(name):
    return named_colors(name)[0].rgb


def test_one_color_is_the_whole_palette():
    assert colors(Image.new("RGB", (90, 70), "#c83250"))["palette"] == "c83250:1.0000"


def test_flat_colors_are_found_with_their_shares():
    image = Image.new("RGB", (64, 64), "#ffffff")
    image.paste("#2030c0", (0, 0, 16, 64))
    read = colors(image)
    assert read["palette"] == "ffffff:0.7500 2030c0:0.2500"
    assert read["dominant_share"] == 0.75


def test_equal_images_have_equal_palettes_whatever_was_read_before():
    random = np.random.default_rng(1)
    images = [Image.fromarray(random.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(3)]
    first = [colors(image) for image in images]
    assert [colors(image) for image in reversed(images)] == list(reversed(first))


@pytest.mark.parametrize("name", ["red", "teal", "navy", "mustard", "olive", "pink", "black", "gray", "burgundy"])
def test_a_ball_of_a_color_has_that_color_and_none_of_the_opposite_ones(name):
    read = colors(ball(rgb_of(name)))
    assert Colors.compare(read, name)["named_share"] > 0.12  # of the ball's 0.2
    others = {"red": "teal", "teal": "red", "navy": "mustard", "mustard": "navy", "olive": "navy", "pink": "olive"}
    assert Colors.compare(read, others.get(name, "lime"))["named_share"] < 0.02


def test_of_several_colors_that_were_asked_for_the_rarest_counts():
    read = colors(ball(rgb_of("teal")))
    both = Colors.compare(read, "teal and red")
    assert both["named_share"] < 0.02
    assert both["named_distance"] > 40
    assert Colors.compare(read, "teal, white")["named_share"] == Colors.compare(read, "teal")["named_share"]


def test_colorfulness_rises_with_saturation_and_is_nothing_for_gray():
    image = ball(rgb_of("teal"), "#d0c090")
    read = [colors(ImageEnhance.Color(image).enhance(by))["colorfulness"] for by in (0, 0.5, 1)]
    assert read[0] == 0
    assert read == sorted(read)


@pytest.mark.parametrize("wanted", ["lime", "Dusty Rose", "off-white", "#12ab9F", "navy blue and cream"])
def test_names_of_colors_are_understood(wanted):
    assert Colors.complaint(wanted) is None


def test_what_names_no_color_is_told():
    assert "names no known color" in Colors.complaint("sunset dreams")
    assert Colors.compare({"palette": "ffffff:1.0000"}, "sunset dreams") == {}


def test_lab_of_a_word_and_of_a_pixel_agree():
    random = np.random.default_rng(3)
    for color in random.integers(0, 256, (50, 3)):
        pixel = np.asarray(color, dtype=np.float32)[None, None] / 255
        by_opencv = tuple(float(part) for part in cv2.cvtColor(pixel, cv2.COLOR_RGB2Lab)[0, 0])
        assert distance(lab_of(tuple(int(part) for part in color)), by_opencv) < 0.5


def test_a_product_on_white_stands_before_plain_white():
    read = background(ball(rgb_of("red")))
    assert (read["color"], read["border_share"]) == ("ffffff", 1)
    assert read["share"] == pytest.approx(0.8, abs=0.03)
    assert Background.compare(read, "white")["color_distance"] < 5
    assert Background.compare(read, "light gray")["color_distance"] > 5


def test_a_white_patch_inside_of_the_subject_is_no_background():
    image = ball(rgb_of("red"))
    image.paste("white", (118, 118, 138, 138))
    assert background(image)["share"] == background(ball(rgb_of("red")))["share"]


def test_a_subject_that_touches_the_edge_takes_a_part_of_the_border():
    image = ball(rgb_of("red"))
    image.paste(image.crop((64, 64, 192, 192)), (0, 64))
    assert 0.9 < background(image)["border_share"] < 0.97


def test_a_scene_has_no_plain_background_and_a_gradient_is_uneven():
    random = np.random.default_rng(5)
    scene = Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((256, 256))
    assert background(scene.filter(ImageFilter.GaussianBlur(3)))["border_share"] < 0.3
    gradient = Image.linear_gradient("L").resize((256, 256)).convert("RGB")
    assert background(gradient)["border_share"] < 0.5
    assert background(gradient, color_distance=50)["unevenness"] > 10 > 1 > background(ball("red"))["unevenness"]


def test_another_background_than_the_wanted_one_is_far_from_it():
    read = background(ball(rgb_of("white"), background="#1f8185"))
    assert Background.compare(read, "teal")["color_distance"] < 5
    assert Background.compare(read, "white")["color_distance"] > 40
    assert Background.compare(read, "white or teal")["color_distance"] < 5
