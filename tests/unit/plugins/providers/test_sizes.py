"""Sizes in one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.plugins.providers.sizes import Size, parse_size, without_tiers


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024x1536", Size(1024, 1536, True)),
        ("2:3", Size(2, 3, False)),
        ("16:9@2K", Size(16, 9, False, "2K")),
        ("1:1@0.5k", Size(1, 1, False, "0.5K")),
        ("1:1@512", Size(1, 1, False, "512")),
        *((text, None) for text in ("auto", "1024", "0x5", "1024X1024", "2:3@", "2:3@big", " 2:3", "0:1", "", 5, None)),
    ],
)
def test_a_size_is_pixels_or_a_ratio_with_a_tier(text, size):
    assert parse_size(text) == size


@given(st.integers(1, 999), st.integers(1, 999), st.integers(1, 100))
def test_a_ratio_is_the_same_in_pixels(width, height, scale):
    size = parse_size(f"{width * scale}x{height * scale}")
    ratio = parse_size(size.ratio)
    assert ratio.width * height == ratio.height * width
    assert parse_size(size.ratio).ratio == size.ratio


@given(st.text(max_size=30))
def test_no_text_breaks_it(text):
    assert parse_size(text) is None or isinstance(parse_size(text), Size)


@pytest.mark.parametrize(
    ("sizes", "short"),
    [
        (["auto", "1:1", "3:2", "1:1@1K", "3:2@1K", "1:1@2K", "3:2@2K"], (["auto", "1:1", "3:2"], ["1K", "2K"])),
        (["1:1", "3:2", "1:1@1K"], (["1:1", "3:2", "1:1@1K"], [])),
        (["1:1@1K"], (["1:1@1K"], [])),
        (["auto", "1024x1024"], (["auto", "1024x1024"], [])),
        ([], ([], [])),
    ],
)
def test_tiers_are_named_once_if_every_ratio_has_them(sizes, short):
    assert without_tiers(sizes) == short
