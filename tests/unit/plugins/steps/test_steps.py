from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pytest
from hostile_files import UNREADABLE, hostile_files
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import GRAY, png, profile, saved
from PIL import Image, ImageDraw, PngImagePlugin

from imagemake.plugins.steps import BUILT_IN, step_class
from imagemake.plugins.steps.crop import around
from imagemake.stages.postprocess.encode import PostprocessError, encode, postprocess

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


@dataclass(frozen=True)
class Output:
    format: str = "png"
    quality: int = 90
    background: str = "#ffffff"
    max_kb: int | None = None


def step(name, **settings_of_step):
    return step_class(name)(step_class(name).Settings(**settings_of_step))


def apply(name, image, **settings_of_step):
    return step(name, **settings_of_step).apply(image)


def noise(width_px=60, height_px=40):
    random = np.random.default_rng(4)
    return Image.fromarray(random.integers(0, 256, (height_px, width_px, 3), dtype=np.uint8))


def columns(*colors, width_px=10, height_px=20):
    image = Image.new("RGB", (width_px * len(colors), height_px))
    for at, color in enumerate(colors):
        image.paste(color, (at * width_px, 0, (at + 1) * width_px, height_px))
    return image


def decoded(data):
    with Image.open(BytesIO(data)) as image:
        image.load()
        return image


# Settings


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("crop", {}),
        ("crop", {"ratio": "4:5", "box": {"left_px": 0, "top_px": 0, "width_px": 1, "height_px": 1}}),
        ("crop", {"box": {"left_px": 0, "top_px": 0, "width_px": 1, "height_px": 1}, "gravity": "top"}),
        ("crop", {"ratio": "0:5"}),
        ("crop", {"ratio": "4x5"}),
        ("resize", {}),
        ("resize", {"width_px": 100, "fit": "cover"}),
        ("resize", {"height_px": 100, "fit": "exact"}),
        ("resize", {"width_px": 0}),
        ("resize", {"width_px": 10_001}),
        ("pad", {}),
        ("pad", {"width_px": 100}),
        ("pad", {"ratio": "1:1", "width_px": 100, "height_px": 100}),
        ("pad", {"ratio": "1:1", "color": "white"}),
        ("color", {"brightness": 0}),
        ("color", {"auto_levels_clip_percent": 11}),
    ],
)
def test_settings_that_make_no_sense_are_an_error(name, wrong):
    with pytest.raises(ValueError, match=f"(?i){name}settings"):
        step(name, **wrong)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_setting_has_a_description_and_an_unknown_one_is_an_error(name):
    fields = step_class(name).Settings.model_fields
    assert all(field.description for field in fields.values())
    with pytest.raises(ValueError, match="typo"):
        step(name, typo=1)


# Crop


@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    wide=st.integers(1, 20),
    high=st.integers(1, 20),
    gravity=st.sampled_from(["center", "top", "bottom_right"]),
)
def test_a_crop_to_a_ratio_is_as_large_as_the_image_allows(size, wide, high, gravity):
    width_px, height_px = apply("crop", Image.new("RGB", size), ratio=f"{wide}:{high}", gravity=gravity).size
    assert width_px <= size[0]
    assert height_px <= size[1]
    assert width_px == size[0] or height_px == size[1]
    assert abs(width_px - height_px * wide / high) <= max(1, wide / high)


@pytest.mark.parametrize(("gravity", "color"), [("left", RED), ("center", WHITE), ("right", BLUE), ("top_left", RED)])
def test_gravity_says_which_part_of_a_crop_stays(gravity, color):
    cut = apply("crop", columns(RED, WHITE, BLUE), ratio="1:2", gravity=gravity)
    assert cut.size == (10, 20)
    assert cut.getcolors() == [(200, color)]


def test_a_box_is_cut_to_the_pixel():
    image = noise()
    cut = apply("crop", image, box={"left_px": 7, "top_px": 3, "width_px": 20, "height_px": 30})
    assert np.array_equal(np.asarray(cut), np.asarray(image)[3:33, 7:27])


def test_a_box_that_leaves_the_image_is_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"box of 50 x 30 px at \(11, 0\) is not within the image of 60 x 40 px"):
        apply("crop", noise(), box={"left_px": 11, "top_px": 0, "width_px": 50, "height_px": 30})


# Resize


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    wanted=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    fit=st.sampled_from(["contain", "cover", "exact"]),
    enlarge=st.booleans(),
)
def test_no_size_fails_but_those_that_would_need_enlarging(size, wanted, fit, enlarge):
    image = Image.new("RGB", size)
    too_small = size[0] < wanted[0] or size[1] < wanted[1]
    if fit != "contain" and too_small and not enlarge:
        with pytest.raises(ValueError, match="enlarge: true"):
            apply("resize", image, width_px=wanted[0], height_px=wanted[1], fit=fit)
        return
    resized = apply("resize", image, width_px=wanted[0], height_px=wanted[1], fit=fit, enlarge=enlarge)
    if fit == "contain":
        assert resized.size == size or resized.width == wanted[0] or resized.height == wanted[1]
        assert resized.width <= wanted[0] or resized.size == size
        assert enlarge or (resized.width <= size[0] and resized.height <= size[1])
    else:
        assert resized.size == wanted


def test_contain_keeps_the_ratio_and_needs_one_side_only():
    assert apply("resize", Image.new("RGB", (1536, 1024)), width_px=600).size == (600, 400)
    assert apply("resize", Image.new("RGB", (1536, 1024)), height_px=512).size == (768, 512)


def test_a_small_image_is_left_as_it_is():
    image = noise()
    assert apply("resize", image, width_px=600, height_px=600) is image


def test_cover_cuts_off_evenly():
    covered = apply("resize", columns(RED, WHITE, BLUE), width_px=10, height_px=20, fit="cover")
    assert covered.getcolors() == [(200, WHITE)]


def test_resizing_is_lanczos_over_the_whole_image():
    exact = apply("resize", noise(), width_px=20, height_px=20, fit="exact")
    by_pillow = noise().resize((20, 20), Image.Resampling.LANCZOS)
    difference = np.abs(np.asarray(exact, int) - np.asarray(by_pillow, int))  # each rounds and clips twice
    assert difference.max() <= 4
    assert difference.mean() < 0.3  # a bicubic filter is 2.5 from it


def test_transparent_pixels_do_not_bleed_into_the_others():
    image = Image.new("RGBA", (100, 100), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 50, 100))
    resized = np.asarray(apply("resize", image, width_px=33))
    visible = resized[resized[:, :, 3] > 20]
    assert visible[:, 1].max() == 0


# Pad


def test_pad_to_a_ratio_puts_the_image_in_the_middle():
    padded = apply("pad", columns(RED), ratio="1:1", color="#0000ff")
    assert padded.size == (20, 20)
    assert padded.crop((5, 0, 15, 20)).getcolors() == [(200, RED)]
    assert sorted(padded.getcolors()) == [(200, BLUE), (200, RED)]


@given(size=st.tuples(st.integers(1, 200), st.integers(1, 200)), wide=st.integers(1, 20), high=st.integers(1, 20))
def test_pad_never_cuts_and_adds_in_one_direction_only(size, wide, high):
    width_px, height_px = apply("pad", Image.new("RGB", size), ratio=f"{wide}:{high}").size
    assert width_px >= size[0]
    assert height_px >= size[1]
    assert width_px == size[0] or height_px == size[1]
    assert abs(width_px - height_px * wide / high) <= max(1, wide / high)


def test_pad_to_a_size_follows_gravity():
    padded = apply("pad", columns(RED), width_px=30, height_px=30, gravity="bottom_right")
    assert padded.crop((20, 10, 30, 30)).getcolors() == [(200, RED)]


def test_transparent_padding_keeps_the_images_own_transparency():
    image = Image.new("RGBA", (10, 20), (255, 0, 0, 100))
    padded = apply("pad", image, ratio="1:1", color="transparent")
    assert sorted(padded.getcolors()) == [(200, (0, 0, 0, 0)), (200, (255, 0, 0, 100))]


def test_colored_padding_lies_under_transparent_parts_too():
    padded = apply("pad", Image.new("RGBA", (10, 20), (0, 0, 0, 0)), ratio="1:1", color="#0000ff")
    assert padded.getcolors() == [(400, BLUE)]


def test_an_image_larger_than_the_padding_is_refused():
    with pytest.raises(ValueError, match="60 x 40 px is larger than 50 x 50 px"):
        apply("pad", noise(), width_px=50, height_px=50)


def test_a_strip_is_not_padded_to_an_enormous_square():
    with pytest.raises(ValueError, match="100,000,000 pixels"):
        apply("pad", Image.new("RGB", (1, 20_000)), ratio="1:1")


# Color


def levels(*values):
    return Image.fromarray(np.array([[(value,) * 3 for value in values]], dtype=np.uint8))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, [0, 50, 128, 200, 255]),
        ({"brightness": 1.2}, [0, 60, 154, 240, 255]),
        ({"brightness": 0.5}, [0, 25, 64, 100, 128]),
        ({"contrast": 2.0}, [0, 0, 128, 255, 255]),
        ({"contrast": 0.0}, [128, 128, 128, 128, 128]),
        ({"gamma": 2.0}, [0, 113, 181, 226, 255]),
        ({"brightness": 2.0, "contrast": 0.5}, [64, 114, 192, 255, 255]),
    ],
)
def test_levels_change_by_the_documented_formulas(changed, expected):
    corrected = np.asarray(apply("color", levels(0, 50, 128, 200, 255), **changed))[0, :, 0].tolist()
    assert np.abs(np.array(corrected) - expected).max() <= 1


def test_saturation_moves_colors_from_gray_and_leaves_gray_alone():
    image = Image.new("RGB", (1, 1), (200, 100, 50))
    luma = image.convert("L").getpixel((0, 0))
    assert apply("color", image, saturation=0).getpixel((0, 0)) == (luma,) * 3
    red, _, blue = apply("color", image, saturation=1.5).getpixel((0, 0))
    assert red > 200
    assert blue < 50
    assert apply("color", levels(90), saturation=2).getpixel((0, 0)) == (90, 90, 90)


def test_auto_levels_stretch_to_black_and_white():
    corrected = np.asarray(apply("color", levels(50, 100, 150), auto_levels_clip_percent=0))[0, :, 0].tolist()
    assert corrected == [0, 128, 255]


def test_auto_levels_ignore_the_clipped_share_of_outliers():
    image = Image.fromarray(np.array([[0, 255] + [100, 150] * 49], dtype=np.uint8)).convert("RGB")
    corrected = np.asarray(apply("color", image, auto_levels_clip_percent=2))[0, :, 0]
    assert set(corrected.tolist()) == {0, 255}


def test_auto_levels_do_not_turn_a_blank_image_into_noise():
    image = levels(100, 101, 102, 110)
    assert apply("color", image, auto_levels_clip_percent=1).tobytes() == image.tobytes()


def test_auto_levels_look_at_visible_pixels_and_keep_transparency():
    image = Image.new("RGBA", (4, 1), (0, 0, 0, 0))
    for at, level in enumerate((50, 150)):
        image.putpixel((at, 0), (level, level, level, 255))
    corrected = apply("color", image, auto_levels_clip_percent=0)
    assert [corrected.getpixel((at, 0)) for at in (0, 1)] == [(0, 0, 0, 255), (255, 255, 255, 255)]
    assert corrected.getchannel("A").tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("crop", {"ratio": "1:1"}),
        ("resize", {"width_px": 20}),
        ("pad", {"ratio": "1:1"}),
        ("color", {"brightness": 1.5, "saturation": 0.5, "auto_levels_clip_percent": 1}),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_step_leaves_the_image_that_it_was_given_alone(name, how, mode):
    image = noise().convert(mode)
    before = image.tobytes()
    apply(name, image, **how)
    assert image.tobytes() == before


# Encode and postprocess


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp", "avif"])
def test_a_file_of_each_format_holds_the_image_and_no_metadata(file_format):
    image = Image.linear_gradient("L").convert("RGB")
    image.info = {"comment": b"x", "icc_profile": profile("RGB", 1.0), "dpi": (300, 300), "exif": b"Exif\0\0x"}
    read = decoded(encode(image, Output(file_format)))
    assert read.format == file_format.upper()
    assert np.abs(np.asarray(read.convert("RGB"), dtype=int) - np.asarray(image)).max() <= 4
    assert not {"comment", "icc_profile", "exif", "dpi"} & set(read.info)
    assert image.info["comment"] == b"x"


def test_the_metadata_of_a_providers_file_does_not_reach_the_finished_one():
    text = PngImagePlugin.PngInfo()
    text.add_text("prompt", "a secret product")
    data = saved(noise(), "PNG", pnginfo=text, icc_profile=profile("RGB", 2.2))
    for file_format in ("png", "jpeg", "webp", "avif"):
        finished = postprocess(data, [], Output(file_format))
        assert b"secret" not in finished
        assert b"acsp" not in finished  # every color profile has these bytes


def test_transparency_is_laid_on_the_background_for_jpeg_and_kept_elsewhere():
    data = saved(Image.new("RGBA", (16, 16), (255, 0, 0, 0)), "PNG")
    flat = decoded(postprocess(data, [], Output("jpeg", background="#0000ff")))
    assert np.abs(np.asarray(flat, dtype=int) - BLUE).max() <= 3
    for file_format in ("png", "webp", "avif"):
        assert decoded(postprocess(data, [], Output(file_format))).convert("RGBA").getextrema()[3] == (0, 0)


def test_png_is_lossless_and_as_small_as_level_six():
    image = Image.linear_gradient("L").convert("RGB")
    image.paste(noise(200, 200), (20, 20))
    data = encode(image, Output("png"))
    assert decoded(data).tobytes() == image.tobytes()
    assert len(data) < 1.1 * len(saved(image, "PNG", compress_level=6))


def test_quality_decides_about_size():
    sizes = [len(encode(noise(200, 200), Output("jpeg", quality))) for quality in (30, 60, 89, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 3


def test_from_quality_90_on_jpeg_keeps_the_full_color_resolution():
    stripes = columns(*[RED, BLUE] * 16, width_px=1, height_px=32)
    full, halved = (np.asarray(decoded(encode(stripes, Output("jpeg", quality))), dtype=int) for quality in (90, 89))
    assert np.abs(full - np.asarray(stripes)).max() < 40 < np.abs(halved - np.asarray(stripes)).max()


PROGRAM = """
import hashlib, json, sys
from dataclasses import dataclass
from imagemake.plugins.steps import step_class
from imagemake.stages.postprocess.encode import postprocess
from imagemake.images.thumbnail import thumbnail_of

@dataclass(frozen=True)
class Output:
    format: str
    quality: int = 90
    background: str = "#ffffff"
    max_kb: int | None = None

data = open(sys.argv[1], "rb").read()
steps = [step_class(name)(step_class(name).Settings(**how)) for name, how in json.loads(sys.argv[2])]
finished = [postprocess(data, steps, Output(name)) for name in ("png", "jpeg", "webp", "avif")]
print(json.dumps([hashlib.sha256(each).hexdigest() for each in [*finished, thumbnail_of(data)]]))
"""


def test_equal_inputs_give_equal_bytes_in_another_process(tmp_path):
    image = tmp_path / "image.png"
    image.write_bytes(saved(noise(300, 200).convert("RGBA"), "PNG"))
    steps = [
        ("crop", {"ratio": "4:5"}),
        ("color", {"auto_levels_clip_percent": 0.5, "gamma": 1.1, "saturation": 1.2}),
        ("resize", {"width_px": 100}),
        ("upscale", {"factor": 2}),
        ("pad", {"ratio": "1:1", "color": "transparent"}),
    ]
    command = [sys.executable, "-c", PROGRAM, str(image), json.dumps(steps)]
    runs = [
        subprocess.run(
            command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    loaded = [step(name, **how) for name, how in steps]
    here = [postprocess(image.read_bytes(), loaded, Output(name)) for name in ("png", "jpeg", "webp", "avif")]
    assert json.loads(runs[0])[:4] == [hashlib.sha256(data).hexdigest() for data in here]


def test_steps_are_applied_in_their_order():
    data = saved(columns(RED, WHITE, BLUE), "PNG")
    crop, pad = step("crop", ratio="1:2", gravity="left"), step("pad", ratio="1:1", color="#0000ff")
    assert decoded(postprocess(data, [crop, pad], Output())).size == (20, 20)
    assert decoded(postprocess(data, [pad, crop], Output())).size == (15, 30)


def test_why_an_image_cannot_be_finished_names_the_step():
    with pytest.raises(PostprocessError) as caught:
        postprocess(saved(noise(), "PNG"), [step("resize", width_px=100, height_px=100, fit="cover")], Output())
    assert caught.value.reason.startswith("resize: the image of 60 x 40 px is smaller than 100 x 100 px")


def test_an_image_that_is_too_long_for_the_format_has_a_reason():
    strip = png(1, 20_000, 8, GRAY, [b"\x80"] * 20_000)
    with pytest.raises(PostprocessError, match="1 x 20000 px cannot be written as webp"):
        postprocess(strip, [], Output("webp"))
    assert decoded(postprocess(strip, [], Output("jpeg"))).size == (1, 20_000)


@pytest.mark.parametrize("name", hostile_files())
@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp", "avif"])
def test_hostile_bytes_end_in_an_image_or_in_a_reason(name, file_format):
    steps = [
        step("crop", ratio="3:2"),
        step("color", auto_levels_clip_percent=1, saturation=1.1),
        step("resize", width_px=64, height_px=64, fit="contain", enlarge=True),
        step("pad", width_px=64, height_px=64, color="transparent"),
    ]
    try:
        assert decoded(postprocess(hostile_files()[name], steps, Output(file_format))).size == (64, 64)
    except PostprocessError as error:
        assert error.reason
        assert name in UNREADABLE


# Subject, background, sharpness, size of files


def a_ball(size_px=(400, 300), at=(250, 120), radius_px=60, background="#e8e8e8"):
    image = Image.new("RGB", size_px, background)
    x, y = at
    draw = ImageDraw.Draw(image)
    for i in range(radius_px):  # shaded, as a ball is: a flat disk is a sign
        box = (x - radius_px + i, y - radius_px + i, x + radius_px - i * 0.8, y + radius_px - i * 0.8)
        draw.ellipse(box, fill=(90 + round(120 * i / radius_px), 30, 30))
    return image


def test_a_subject_is_cut_out_of_its_background():
    cut = apply("remove_background", a_ball())
    assert cut.mode == "RGBA"
    alpha = np.asarray(cut.getchannel("A"))
    assert alpha[120, 250] == 255, "the ball stays"
    assert alpha[:40, :100].max() == 0
    inside = alpha[60:180, 190:310].mean() / 255
    assert 0.6 < inside < 0.95, "a disk covers 79 % of its box"


def test_behind_a_subject_comes_the_color_that_was_asked_for():
    image = apply("remove_background", a_ball(), color="#00ff00")
    assert image.mode == "RGB"
    assert image.getpixel((20, 20)) == (0, 255, 0)
    assert image.getpixel((250, 120))[1] < 60


def test_a_shadow_lies_below_the_subject_and_nowhere_else():
    plain = np.asarray(apply("remove_background", a_ball(), color="#ffffff"), dtype=int)
    shaded = np.asarray(apply("remove_background", a_ball(), color="#ffffff", shadow=0.5), dtype=int)
    darker = (plain - shaded).max(axis=2)
    assert darker.max() > 20
    rows = np.nonzero(darker.max(axis=1) > 5)[0]
    assert 150 < rows.min() < rows.max() < 220, "the ball ends at 180"


@pytest.mark.parametrize(("name", "settings_of_step"), [("remove_background", {}), ("crop", {"subject": {}})])
def test_where_nothing_stands_out_there_is_no_subject_to_keep(name, settings_of_step):
    with pytest.raises(ValueError, match="no clear subject"):
        apply(name, Image.new("RGB", (200, 200), "white"), **settings_of_step)


def test_what_was_transparent_stays_so():
    image = a_ball().convert("RGBA")
    image.paste((0, 0, 0, 0), (190, 60, 250, 180))
    alpha = np.asarray(apply("remove_background", image).getchannel("A"))
    assert alpha[60:180, 190:245].max() == 0


def test_a_cut_goes_around_the_subject_with_its_margin():
    width_px, height_px = apply("crop", a_ball(), subject={"margin_percent": 10}).size
    assert 120 < width_px < 175
    assert 120 < height_px < 175


def test_a_cut_around_the_subject_keeps_a_ratio():
    cut = apply("crop", a_ball(), subject={}, ratio="16:9")
    assert cut.width / cut.height == pytest.approx(16 / 9, rel=0.02)


@given(
    size_px=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    ends=st.tuples(*[st.floats(0, 1)] * 4),
    margin=st.floats(0, 100),
    ratio=st.sampled_from([None, "1:1", "16:9", "4:5", "9999:1"]),
)
def test_a_cut_around_a_box_lies_within_the_image(size_px, ends, margin, ratio):
    width_px, height_px = size_px
    (left, right), (top, bottom) = sorted(ends[:2]), sorted(ends[2:])
    found = around((left * width_px, top * height_px, right * width_px, bottom * height_px), size_px, margin, ratio)
    assert 0 <= found[0] < found[2] <= width_px
    assert 0 <= found[1] < found[3] <= height_px


def test_sharpening_steepens_an_edge_and_leaves_transparency_alone():
    image = Image.new("RGB", (40, 40), (100, 100, 100))
    image.paste((150, 150, 150), (20, 0, 40, 40))
    image = image.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((40, 40)))
    sharp = apply("sharpen", image, percent=100, radius_px=2)
    assert sharp.getpixel((19, 20))[0] < 100
    assert sharp.getpixel((20, 20))[0] > 150
    assert sharp.getchannel("A").tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize("file_format", ["jpeg", "webp", "avif"])
def test_a_file_is_as_large_as_it_may_be_and_no_larger(file_format):
    image = noise(300, 200)
    free = len(encode(image, Output(file_format)))
    max_kb = free // 2000
    data = encode(image, Output(file_format, max_kb=max_kb))
    assert 500 * max_kb < len(data) <= 1000 * max_kb
    assert encode(image, Output(file_format, max_kb=max_kb)) == data
    assert len(encode(image, Output(file_format, max_kb=10_000))) == free, "what fits keeps its quality"


def test_a_file_that_cannot_be_small_enough_is_told():
    with pytest.raises(ValueError, match="more than 1,000 bytes even at quality 20: resize it"):
        encode(noise(300, 200), Output("jpeg", max_kb=1))
