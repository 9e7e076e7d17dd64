from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imagemake.plugins.steps.frame import Frame, FrameSettings

RED, BLUE, CLEAR = (255, 0, 0), (0, 0, 255), (0, 0, 0, 0)


def framed(image, **settings):
    return Frame(FrameSettings(**settings)).apply(image)


@pytest.mark.parametrize(
    "wrong", [{}, {"width_px": 3, "width_percent": 1}, {"width_percent": 51}, {"width_px": 3, "color": "white"}]
)
def test_settings_that_make_no_sense_are_a_mistake(wrong):
    with pytest.raises(ValueError, match=r"(?i)framesettings"):
        FrameSettings(**wrong)


def test_a_border_lies_around_the_image_and_leaves_its_pixels():
    image = Image.new("RGB", (60, 40), RED)
    bordered = framed(image, width_percent=10, color="#0000ff")
    assert bordered.size == (72, 52)
    assert bordered.crop((6, 6, 66, 46)).tobytes() == image.tobytes()
    assert sorted(bordered.getcolors()) == [(72 * 52 - 2400, BLUE), (2400, RED)]


def test_a_border_inside_keeps_the_size():
    image = framed(Image.new("RGB", (60, 40), RED), width_px=5, color="#0000ff", inside=True)
    assert image.size == (60, 40)
    assert image.getpixel((4, 20)) == BLUE
    assert image.getpixel((5, 20)) == RED


def test_a_border_inside_that_leaves_nothing_is_refused_with_its_width():
    with pytest.raises(ValueError, match="a border of 20 px covers the whole image of 60 x 40 px"):
        framed(Image.new("RGB", (60, 40)), width_px=20, inside=True)


def test_an_enormous_frame_is_refused():
    with pytest.raises(ValueError, match="100,000,000 pixels"):
        framed(Image.new("RGB", (1, 20_000)), width_percent=50)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_round_corners_show_the_color_and_a_smooth_edge(mode):
    image = framed(Image.new(mode, (100, 80), "#ff0000"), radius_percent=50, color="#0000ff")
    pixels = np.asarray(image)
    assert image.size == (100, 80)
    for corner in (pixels[0, 0], pixels[0, -1], pixels[-1, 0], pixels[-1, -1]):
        assert tuple(corner[:3]) == BLUE
    assert tuple(pixels[40, 0, :3]) == tuple(pixels[0, 50, :3]) == RED
    share = pixels[:, :, 0].mean() / 255
    assert share == pytest.approx((20 * 80 + np.pi * 40**2) / 8000, abs=0.005), (
        "two halves of a disk and what is between"
    )
    assert len(np.unique(pixels[:, :, 0])) > 10


def test_transparent_corners_cut_and_what_was_transparent_stays_so():
    image = Image.new("RGBA", (80, 80), (*RED, 255))
    image.paste(CLEAR, (30, 30, 50, 50))
    cut = framed(image, width_px=4, color="transparent", radius_percent=50)
    assert cut.size == (88, 88)
    assert [cut.getpixel(at)[3] for at in ((0, 0), (6, 6), (44, 44), (44, 10))] == [0, 0, 0, 255]
    assert framed(image, width_px=4, color="#0000ff").getpixel((44, 44)) == CLEAR
