from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import saved
from PIL import Image

from imagemake.images.decoded import Undecodable, decode_image
from imagemake.images.thumbnail import LONG_EDGE_PX, MOST_BYTES, thumbnail, thumbnail_of


def decoded(data):
    with Image.open(BytesIO(data), formats=("JPEG",)) as image:
        image.load()
        return image


@settings(max_examples=40, deadline=None)
@given(size=st.tuples(st.integers(1, 1300), st.integers(1, 1300)))
def test_a_thumbnail_fits_keeps_the_shape_and_is_never_enlarged(size):
    small = decoded(thumbnail(Image.new("RGB", size)))
    assert max(small.size) == min(LONG_EDGE_PX, max(size))
    scale = max(small.size) / max(size)
    assert [abs(got - max(1, side * scale)) <= 0.5 for got, side in zip(small.size, size, strict=True)] == [True, True]


def test_even_noise_stays_within_the_bytes_or_near_them():
    random = np.random.default_rng(1)
    noise = Image.fromarray(random.integers(0, 256, (192, 192, 3), dtype=np.uint8))
    assert len(thumbnail(noise)) < 2 * MOST_BYTES
    soft = noise.resize((1024, 1024), Image.Resampling.BICUBIC).reduce(2)
    assert len(thumbnail(soft.resize((48, 48)).resize((800, 800)))) <= MOST_BYTES


def test_a_thumbnail_looks_like_its_image():
    gradient = Image.linear_gradient("L").resize((1024, 1024)).convert("RGB")
    small = np.asarray(decoded(thumbnail(gradient)), dtype=int)
    exact = np.asarray(gradient.resize(small.shape[:2], Image.Resampling.BOX), dtype=int)
    assert np.abs(small - exact).max() <= 8


def test_transparent_parts_are_white():
    small = decoded(thumbnail(Image.new("RGBA", (400, 400), (200, 0, 0, 0))))
    assert np.asarray(small).min() >= 250


@pytest.mark.parametrize("size", [(800, 800), (1600, 900), (193, 400)])
def test_a_jpeg_is_decoded_at_a_fraction_of_its_size_and_looks_the_same(size):
    data = saved(Image.effect_noise((24, 24), 60).resize(size, Image.Resampling.BICUBIC).convert("RGB"), "JPEG")
    loaded = decode_image(data, enough_px=LONG_EDGE_PX).pil
    assert LONG_EDGE_PX <= max(loaded.size) < 2 * LONG_EDGE_PX
    quick, whole = decoded(thumbnail_of(data)), decoded(thumbnail(decode_image(data).pil))
    assert max(quick.size) == max(whole.size) == LONG_EDGE_PX
    difference = np.asarray(quick.resize(whole.size), dtype=float) - np.asarray(whole)
    assert np.sqrt((difference**2).mean()) < 4


def test_a_thumbnail_of_a_file_is_that_of_its_image():
    image = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    assert thumbnail_of(saved(image, "PNG")) == thumbnail(image)
    with pytest.raises(Undecodable):
        thumbnail_of(b"")
