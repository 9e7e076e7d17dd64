from __future__ import annotations

import subprocess
import sys
from functools import cache
from io import BytesIO

import numpy as np
import pytest
from image_files import saved
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from imagemake.images.decoded import decode_image
from imagemake.plugins.measures import ALWAYS_READ, BUILT_IN, measure_class

WHITE = (255, 255, 255)


def read(name, image, file_format="PNG", settings=None, **options):
    measure = measure_class(name)
    return measure(measure.Settings(**settings or {})).read(decode_image(saved(image, file_format, **options)))


@cache
def large_scene():
    """Draw something with large shapes, fine lines and all brightnesses."""
    image = Image.linear_gradient("L").resize((2048, 2048)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.ellipse((240, 360, 1200, 1320), fill="#c03020")
    draw.rectangle((1120, 1000, 1840, 1920), fill="#2060c0")
    for at in range(80, 2000, 160):
        draw.line((at, 0, 2000 - at, 2047), fill="#f0e0a0", width=16)
    return image


@cache
def scene(side_px=512):
    return large_scene().resize((side_px, side_px), Image.Resampling.LANCZOS)


def mug(color):
    image = Image.new("RGB", (512, 512), "white")
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((150, 125, 360, 400), 30, fill=color)
    draw.ellipse((325, 200, 425, 325), outline=color, width=20)
    return image


ALWAYS = [name for name in BUILT_IN if name in ALWAYS_READ]


@pytest.mark.parametrize("name", ALWAYS)
def test_a_measure_reads_exactly_the_quantities_that_it_declares(name):
    assert set(read(name, scene())) == set(measure_class(name).quantities)


@pytest.mark.parametrize("name", ALWAYS)
@pytest.mark.parametrize("size", [(1, 1), (2, 700), (700, 1)])
def test_tiny_images_and_strips_can_be_measured(name, size):
    assert set(read(name, Image.new("RGB", size))) <= set(measure_class(name).quantities)


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_unknown_setting_is_an_error(name):
    with pytest.raises(ValueError, match="typo"):
        measure_class(name).Settings(typo=1)


def test_file_reads_what_the_file_is():
    half = Image.new("RGBA", (6, 4), (9, 9, 9, 255))
    half.paste((0, 0, 0, 0), (0, 0, 3, 4))
    data = saved(half, "WEBP", lossless=True)
    assert read("file", half, "WEBP", lossless=True) == {
        "format": "webp",
        "width_px": 6,
        "height_px": 4,
        "bytes": len(data),
        "frames": 1,
        "has_alpha": True,
        "transparent_share": 0.5,
    }


@pytest.mark.parametrize("color", ["white", "black", "#c83250"])
def test_a_blank_image_is_uniform_and_has_neither_contrast_nor_entropy(color):
    tone = read("tone", Image.new("RGB", (300, 200), color))
    assert (tone["uniform_share"], tone["contrast"], tone["entropy_bits"]) == (1, 0, 0)


def test_half_black_and_half_white_is_the_strongest_contrast_and_one_bit():
    image = Image.new("RGB", (200, 100), "white")
    image.paste("black", (0, 0, 100, 100))
    tone = read("tone", image)
    assert (tone["contrast"], tone["entropy_bits"], tone["mean_luma"]) == (0.5, 1, 127.5)
    assert (tone["clipped_shadows_share"], tone["clipped_highlights_share"], tone["uniform_share"]) == (0.5, 0.5, 0.5)


def test_the_last_four_levels_at_either_end_count_as_clipped():
    tone = read("tone", Image.fromarray(np.array([[3, 4, 4, 4, 251, 251, 252, 252]], dtype=np.uint8)))
    assert (tone["clipped_shadows_share"], tone["clipped_highlights_share"]) == (0.125, 0.25)


def test_the_levels_that_count_as_clipped_can_be_set():
    image = Image.new("L", (10, 10), 250)
    assert read("tone", image)["clipped_highlights_share"] == 0
    assert read("tone", image, settings={"clipped_levels": 5})["clipped_highlights_share"] == 1


def test_grain_between_two_cells_of_the_count_still_is_one_color():
    random = np.random.default_rng(1)
    noisy = np.clip(128 + random.normal(0, 2, (200, 200, 3)), 0, 255).astype(np.uint8)  # 127 and 128: two cells
    assert read("tone", Image.fromarray(noisy))["uniform_share"] > 0.99


def test_a_product_on_white_is_not_uniform_and_white_is_its_commonest_color():
    share = read("tone", mug("#c83250"))["uniform_share"]
    assert 0.5 < share < 0.9


def test_uniform_share_sees_a_color_of_equal_brightness():
    image = Image.new("RGB", (100, 100), (76, 76, 76))
    image.paste((255, 0, 0), (0, 0, 100, 40))  # the same luma, 76
    tone = read("tone", image)
    assert (tone["contrast"], tone["uniform_share"]) == (0, 0.6)


def test_blur_takes_sharpness_away():
    values = [
        read("sharpness", scene().filter(ImageFilter.GaussianBlur(radius_px)))["relative_sharpness"]
        for radius_px in (0, 1, 2, 4, 8)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.02 > 0.002 > values[-1]


def focus(image):
    return read("sharpness", image)["focus"]


@pytest.mark.parametrize("side_px", [512, 1024, 2048])
def test_a_blur_of_a_quarter_percent_takes_focus_below_what_is_sharp(side_px):
    sharp = scene().resize((side_px, side_px), Image.Resampling.NEAREST)
    shares = (0, 0.0025, 0.004, 0.01)
    values = [focus(sharp.filter(ImageFilter.GaussianBlur(share * side_px))) for share in shares]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.55 > 0.5 > values[1] > 0.35 > values[2] > 0.15 > values[3]


def test_a_smooth_product_before_white_is_in_focus_by_its_outline():
    drawn = Image.new("RGB", (2048, 2048), "white")
    ImageDraw.Draw(drawn).ellipse((600, 500, 1500, 1600), fill="#e8c8b0")
    smooth = drawn.resize((1024, 1024), Image.Resampling.LANCZOS)
    assert focus(smooth) > 0.53
    assert focus(smooth.filter(ImageFilter.GaussianBlur(2.5))) < 0.5


def test_focus_does_not_depend_on_contrast():
    pale = ImageEnhance.Contrast(scene()).enhance(0.25)
    assert focus(pale) == pytest.approx(focus(scene()), abs=0.05)


def test_what_is_in_focus_before_a_soft_background_is_sharp():
    soft, middle = scene().filter(ImageFilter.GaussianBlur(10)), (192, 192, 320, 320)
    assert focus(soft) < 0.5
    soft.paste(scene().crop(middle), middle)
    assert focus(soft) > 0.55


def test_grain_over_a_blur_is_no_focus():
    soft = np.asarray(scene().filter(ImageFilter.GaussianBlur(6)), dtype=float)
    grain = np.random.default_rng(1).normal(0, 4, (*soft.shape[:2], 1))
    assert focus(Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8))) < 0.5


@pytest.mark.parametrize("field_px", [16, 64])
def test_a_pattern_without_a_calm_place_is_as_sharp_as_it_is(field_px):
    rows, columns = np.mgrid[:512, :512] // field_px
    pattern = Image.fromarray(((rows + columns) % 2 * 120 + 60).astype(np.uint8))
    assert focus(pattern) > 0.55
    assert focus(pattern.filter(ImageFilter.GaussianBlur(5))) < 0.5


def test_a_gradient_has_nothing_in_focus():
    assert focus(Image.linear_gradient("L")) < 0.1


@pytest.mark.parametrize("size", [(3, 3), (5, 300), (500, 4)])
def test_the_smallest_images_and_strips_have_a_focus(size):
    noise = np.random.default_rng(2).integers(0, 256, size, dtype=np.uint8)
    assert 0 <= focus(Image.fromarray(noise)) <= 1


def test_sharpness_compares_between_sizes():
    large, small = (read("sharpness", scene(side_px))["laplacian_variance"] for side_px in (1536, 512))
    assert small / large == pytest.approx(1, abs=0.35)
    unscaled = {"long_edge_px": 4096}
    large, small = (read("sharpness", scene(px), settings=unscaled)["laplacian_variance"] for px in (1536, 512))
    assert small / large > 2


def test_relative_sharpness_does_not_depend_on_contrast():
    pale = ImageEnhance.Contrast(scene()).enhance(0.25)
    strong, weak = read("sharpness", scene()), read("sharpness", pale)
    assert weak["laplacian_variance"] < strong["laplacian_variance"] / 10
    assert weak["relative_sharpness"] == pytest.approx(strong["relative_sharpness"], rel=0.1)


def test_a_blank_image_has_no_relative_sharpness():
    assert read("sharpness", Image.new("RGB", (64, 64), "red")) == {"laplacian_variance": 0}


def bits_between(left, right):
    return (int(left["hash"], 16) ^ int(right["hash"], 16)).bit_count()


def test_the_hash_is_that_of_imagehash():
    import imagehash

    drawn = [Image.effect_noise((256, 256), sigma).convert("RGB") for sigma in range(5, 100, 5)]
    for image in (scene(256), Image.new("RGB", (256, 256), "red"), Image.new("RGB", (256, 256)), *drawn):
        assert read("phash", image)["hash"] == str(imagehash.phash(image))
    assert len(read("phash", scene())["hash"]) == 16


def test_hashing_loads_no_scipy_which_would_take_longer_than_measuring():
    program = "import sys; from PIL import Image; from imagemake.images.perceptual_hash import perceptual_hash; "
    program += "perceptual_hash(Image.new('RGB', (9, 9))); print('scipy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((256, 256)),
        lambda image: ImageEnhance.Brightness(image).enhance(1.04),
        lambda image: image.crop((4, 4, 508, 508)),
        lambda image: Image.open(BytesIO(saved(image, "JPEG", quality=60))),
    ],
)
def test_an_image_that_was_changed_a_little_keeps_its_hash_and_its_colors(change):
    before, after = read("phash", scene()), read("phash", change(scene()))
    assert bits_between(before, after) <= 6
    difference = np.frombuffer(bytes.fromhex(before["colors"]), np.uint8).astype(int) - list(
        bytes.fromhex(after["colors"])
    )
    assert np.abs(difference).max() <= 12


def test_the_same_shape_in_another_color_differs_in_colors_alone():
    red, blue = read("phash", mug("#c02030")), read("phash", mug("#2030c0"))
    assert bits_between(red, blue) <= 4
    middle = slice(3 * 2 * 4, 3 * 2 * 5)  # the fifth of nine fields, two digits for each of three channels
    assert red["colors"][middle] != blue["colors"][middle]
    assert len(red["colors"]) == 54


def test_colors_are_the_means_of_nine_fields_row_by_row():
    image = Image.new("RGB", (9, 9), "white")
    image.paste((16, 32, 48), (6, 0, 9, 3))
    fields = bytes.fromhex(read("phash", image)["colors"])
    assert [tuple(fields[at : at + 3]) for at in range(0, 27, 3)] == [WHITE, WHITE, (16, 32, 48), *[WHITE] * 6]


def grainy(deviation_levels, background=200):
    random = np.random.default_rng(2)
    image = Image.new("L", (512, 512), background)
    ImageDraw.Draw(image).ellipse((100, 100, 400, 400), fill=80)
    return Image.fromarray(
        np.clip(np.asarray(image) + random.normal(0, deviation_levels, (512, 512)), 0, 255).astype("uint8")
    )


@pytest.mark.parametrize("deviation_levels", [1, 2, 5, 10])
def test_noise_is_told_in_levels_whatever_is_shown(deviation_levels):
    assert read("noise", grainy(deviation_levels))["deviation_levels"] == pytest.approx(deviation_levels, rel=0.2)


def test_a_drawing_has_no_noise_and_a_blank_white_image_nothing_to_read_it_from():
    assert read("noise", mug("#c83250"))["deviation_levels"] == 0
    assert read("noise", Image.new("RGB", (64, 64), "white")) == {}


def test_noise_on_the_subject_is_seen_though_the_white_around_it_is_clipped():
    assert read("noise", grainy(5, background=255))["deviation_levels"] > 3
