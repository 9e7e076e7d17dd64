"""How far apart images look: published values, and what must hold for any two."""

from io import BytesIO

import numpy as np
import pytest
from folders import ASTRONAUT
from PIL import Image, ImageOps
from release_folders import an_image

from imagemake.images.decoded import decode_image
from imagemake.images.distance import delta_e_2000, distance_between

# Sharma, Wu, Dalal 2005, table 1: two colors as L*, a*, b*, and their difference.
PUBLISHED = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((36.4612, 47.8580, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
    ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


def opened(image, form="PNG"):
    file = BytesIO()
    image.save(file, form)
    return decode_image(file.getvalue())


@pytest.fixture(scope="module")
def astronaut():
    return decode_image(ASTRONAUT.read_bytes())


@pytest.mark.parametrize(("one", "other", "difference"), PUBLISHED)
def test_color_differences_are_the_published_ones_from_both_sides(one, other, difference):
    one, other = np.array([one], dtype=float), np.array([other], dtype=float)
    assert delta_e_2000(one, other)[0] == pytest.approx(difference, abs=5e-5)
    assert delta_e_2000(other, one)[0] == pytest.approx(difference, abs=5e-5)


def test_an_image_is_not_apart_from_itself_and_black_is_100_from_white(astronaut):
    same = distance_between(astronaut, astronaut)
    assert (same.delta_e, same.ssim, same.hash_bits) == (0, 1, 0)
    far = distance_between(decode_image(an_image("black")), decode_image(an_image("white")))
    assert far.delta_e == pytest.approx(100, abs=0.1)


def test_another_encoding_or_size_is_near_and_another_motif_far(astronaut):
    small = astronaut.pil.resize((150, 150))
    for near in (opened(astronaut.pil, "JPEG"), opened(small)):
        distance = distance_between(astronaut, near)
        assert distance.delta_e < 2.5
        assert distance.ssim > 0.95
        assert distance.hash_bits <= 2
    inverted = distance_between(astronaut, opened(ImageOps.invert(astronaut.pil)))
    assert inverted.delta_e > 40
    assert inverted.ssim < 0
    assert inverted.hash_bits > 50


def test_the_order_does_not_matter_and_another_shape_counts(astronaut):
    wide = opened(astronaut.pil.crop((0, 0, 200, 100)))
    assert distance_between(astronaut, wide) == distance_between(wide, astronaut)
    assert distance_between(astronaut, wide).delta_e > 10


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_tiny_and_narrow_images_have_a_distance(size):
    plain, clear = an_image("red", size), an_image((0, 0, 0, 0), size, mode="RGBA")
    assert distance_between(decode_image(plain), decode_image(clear)).delta_e > 5


def test_what_is_transparent_differs_from_what_is_not():
    red, clear = (an_image((255, 0, 0, alpha), mode="RGBA") for alpha in (255, 0))
    assert distance_between(decode_image(red), decode_image(clear)).delta_e > 20
    assert Image.open(BytesIO(clear)).mode == "RGBA"
