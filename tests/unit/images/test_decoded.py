from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import GRAY, PALETTE, PNG_SIGNATURE, RGB, chunk, png, profile, saved
from PIL import Image, ImageCms, ImageOps

from imagemake.images.decoded import MOST_SIDE_PX, Undecodable, decode_image
from imagemake.images.ends import MOST_PARTS, MOST_SCANS
from imagemake.images.icc import MOST_PROFILE_BYTES

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")


def colorful(width_px: int = 24, height_px: int = 16) -> Image.Image:
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    return coarse.resize((width_px, height_px), Image.Resampling.BICUBIC)


def pixels(image: Image.Image) -> list[object]:
    return list(image.get_flattened_data())


def reason_for(data: bytes, **limits: int) -> str:
    with pytest.raises(Undecodable) as caught:
        decode_image(data, **limits)
    return caught.value.reason


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_image_of_each_format_is_decoded_as_pillow_decodes_it(file_format):
    data = saved(colorful(), file_format)
    image = decode_image(data)
    assert (image.format, image.width_px, image.height_px) == (file_format.lower(), 24, 16)
    assert (image.mode, image.frames, image.size_bytes, image.notes) == ("RGB", 1, len(data), ())
    with Image.open(BytesIO(data)) as plain:
        assert image.pil.tobytes() == plain.convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\0", "it is not a"),
        (b'{"error": "quota"}', "text such as HTML, SVG, or JSON"),
        (b"\n <html>", "text such as HTML"),
        (b"GIF89a" + bytes(20), "a GIF file"),
        (b"\0\0\0\x1cftypavis", "an AVIF animation"),
        (b"\0\0\0\x1cftypavif", "AVIF file is"),
        (b"PK\3\4" + bytes(20), "a ZIP file"),
        (PNG_SIGNATURE, "PNG file is"),
        (b"\xff\xd8\xff\xe0", "JPEG file is"),
        (b"RIFF\0\0\0\0WEBP", "WebP file is"),
    ],
)
def test_what_is_no_image_is_told_in_words(data, words):
    assert words in reason_for(data)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_that_was_cut_off_anywhere_never_shows_other_pixels(file_format):
    data = saved(colorful(), file_format)
    whole = decode_image(data).pil.tobytes()
    undecodable = 0
    for length in range(len(data)):
        try:
            assert decode_image(data[:length]).pil.tobytes() == whole
        except Undecodable:
            undecodable += 1
    assert undecodable > len(data) * 0.9


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_cut_off_file_is_called_cut_off(file_format):
    data = saved(colorful(64, 64), file_format)
    for length in (20, len(data) // 2, len(data) * 9 // 10):
        assert "cut off" in reason_for(data[:length])


def test_a_missing_end_mark_is_noted():
    data = saved(colorful(), "PNG")
    image = decode_image(data[:-12])
    assert image.notes == ("the file has all pixels, but no end mark",)
    assert image.pil.tobytes() == colorful().tobytes()


def test_a_png_with_a_wrong_byte_never_shows_other_pixels():
    data = saved(colorful(), "PNG")
    whole = decode_image(data).pil.tobytes()
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :]
        try:
            assert decode_image(damaged).pil.tobytes() == whole
        except Undecodable:
            continue


@pytest.mark.parametrize("file_format", FORMATS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_ends_in_an_image_or_in_a_reason_and_in_nothing_else(file_format, data):
    damaged = bytearray(saved(colorful(), file_format))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode_image(bytes(damaged), most_pixels=1_000_000).small.mode == "RGB"
    except Undecodable as error:
        assert error.reason


@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from(
        [
            PNG_SIGNATURE,
            PNG_SIGNATURE + b"\0\0\0\x0dIHDR",
            b"\xff\xd8\xff",
            b"RIFF\x20\0\0\0WEBPVP8 ",
            b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miafMA1A",
        ]
    ),
    rest=st.binary(max_size=200),
)
def test_random_bytes_behind_a_true_signature_end_in_a_reason(start, rest):
    assert reason_for(start + rest)


def test_a_bomb_is_refused_by_its_header_before_a_pixel_is_decoded():
    header = struct.pack(">IIBBBBB", 8_000, 8_000, 8, RGB, 0, 0, 0)
    no_pixels_at_all = PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    assert reason_for(no_pixels_at_all) == "the image is 8000 x 8000 px, more than 40,000,000 pixels"


def test_a_bomb_beyond_pillows_own_limit_has_a_reason_too():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, GRAY, 0, 0, 0)
    bomb = PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    assert "more pixels than Pillow allows" in reason_for(bomb)


def test_limits_are_inclusive():
    data = saved(colorful(), "PNG")
    assert decode_image(data, most_pixels=24 * 16, most_bytes=len(data)).width_px == 24
    assert "more than 383 pixels" in reason_for(data, most_pixels=24 * 16 - 1)
    assert f"more than {len(data) - 1}" in reason_for(data, most_bytes=len(data) - 1)


def test_a_strip_is_decoded_but_none_that_no_jpeg_could_hold():
    strip = decode_image(png(1, 20_000, 8, GRAY, [b"\x80"] * 20_000))
    assert strip.pil.size == (1, 20_000)
    assert strip.small.size == (1, 254)
    assert f"longest allowed side is {MOST_SIDE_PX:,} px" in reason_for(png(1, 100_000, 8, GRAY, [b"\x80"] * 100_000))


def test_an_image_without_pixels_has_a_reason():
    assert reason_for(png(0, 5, 8, GRAY, []))


def test_a_png_of_countless_chunks_is_refused():
    chunks = chunk(b"teSt", b"") * (MOST_PARTS + 1)
    assert f"more than {MOST_PARTS:,} chunks" in reason_for(png(1, 1, 8, GRAY, [b"\0"], chunks))


def test_a_jpeg_of_countless_segments_is_refused():
    data = saved(colorful(), "JPEG")
    comments = b"\xff\xfe\0\2" * MOST_PARTS
    assert f"more than {MOST_PARTS:,} segments" in reason_for(data[:2] + comments + data[2:])


def test_a_jpeg_of_countless_scans_is_refused():
    data = saved(colorful(), "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    assert decode_image(data[:-2] + last_scan + b"\xff\xd9").width_px == 24
    assert f"more than {MOST_SCANS} scans" in reason_for(data[:-2] + last_scan * MOST_SCANS + b"\xff\xd9")


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_read_and_the_frames_are_counted(file_format):
    frames = [Image.new("RGB", (8, 8), color) for color in ("#ff0000", "#00ff00", "#0000ff")]
    data = saved(frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True)
    image = decode_image(data)
    assert image.frames == 3
    assert pixels(image.pil) == [(255, 0, 0)] * 64


def test_a_jpeg_with_more_images_behind_it_is_a_jpeg():
    frames = [Image.new("RGB", (8, 8), color) for color in ("#808080", "#404040")]
    image = decode_image(saved(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert (image.format, image.frames, image.notes) == ("jpeg", 2, ())
    assert image.pil.getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize("file_format", FORMATS)
def test_data_behind_the_image_is_ignored_and_noted(file_format):
    data = saved(colorful(), file_format)
    image = decode_image(data + b"PK\3\4" + bytes(96))
    assert image.notes == ("100 bytes after the end of the image were ignored",)
    assert image.pil.tobytes() == decode_image(data).pil.tobytes()


def test_cmyk_becomes_the_colors_that_it_means():
    inks = Image.new("CMYK", (32, 8))
    for left, ink in enumerate([(0, 0, 0, 0), (0, 0, 0, 255), (0, 255, 255, 0), (255, 0, 0, 0)]):
        inks.paste(ink, (left * 8, 0, left * 8 + 8, 8))
    image = decode_image(saved(inks, "JPEG", quality=100))
    assert (image.mode, image.pil.mode) == ("CMYK", "RGB")
    seen = np.asarray([image.pil.getpixel((left, 4)) for left in (4, 12, 20, 28)], dtype=int)
    assert np.abs(seen - [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 255)]).max() <= 3


def test_sixteen_bit_gray_keeps_its_upper_byte():
    levels = [0, 255, 256, 32_768, 65_280, 65_535]
    image = decode_image(png(6, 1, 16, GRAY, [struct.pack(">6H", *levels)]))
    assert [color[0] for color in pixels(image.pil)] == [0, 0, 1, 128, 255, 255]


def test_sixteen_bit_gray_can_name_a_transparent_level():
    row, key = struct.pack(">3H", 100, 32_768, 65_535), chunk(b"tRNS", struct.pack(">H", 32_768))
    image = decode_image(png(3, 1, 16, GRAY, [row], key))
    assert pixels(image.pil) == [(0, 0, 0, 255), (128, 128, 128, 0), (255, 255, 255, 255)]


def test_sixteen_bit_color_can_name_a_transparent_color():
    row, key = struct.pack(">6H", 32_768, 0, 0, 0, 0, 65_535), chunk(b"tRNS", struct.pack(">3H", 32_768, 0, 0))
    image = decode_image(png(2, 1, 16, RGB, [row], key))
    assert pixels(image.pil) == [(128, 0, 0, 0), (0, 0, 255, 255)]


@pytest.mark.parametrize(("depth_bits", "row"), [(1, 0b01000000), (2, 0b00010000), (4, 0b00000001)])
def test_gray_of_few_bits_can_name_a_transparent_level(depth_bits, row):
    image = decode_image(png(2, 1, depth_bits, GRAY, [bytes([row])], chunk(b"tRNS", struct.pack(">H", 1))))
    assert [color[3] for color in pixels(image.pil)] == [255, 0]


def test_a_palette_with_transparency_becomes_rgba():
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0])) + chunk(b"tRNS", bytes([0, 128]))
    image = decode_image(png(2, 1, 8, PALETTE, [b"\0\1"], palette))
    assert (image.mode, image.has_alpha) == ("P", True)
    assert pixels(image.pil) == [(255, 0, 0, 0), (0, 255, 0, 128)]


def test_gray_with_alpha_becomes_rgba():
    gray = Image.new("LA", (2, 2), (50, 100))
    assert pixels(decode_image(saved(gray, "PNG")).pil) == [(50, 50, 50, 100)] * 4


def test_an_alpha_channel_that_hides_nothing_is_dropped_but_reported():
    image = decode_image(saved(Image.new("RGBA", (4, 4), (1, 2, 3, 255)), "PNG"))
    assert (image.pil.mode, image.has_alpha, image.transparent_share) == ("RGB", True, 0.0)


def test_a_color_profile_is_applied():
    linear = saved(Image.new("RGB", (4, 4), (55, 55, 55)), "PNG", icc_profile=profile("RGB", gamma=1.0))
    image = decode_image(linear)
    assert image.notes == ()
    # 55 of 255 in linear light are 128 in sRGB (IEC 61966-2-1).
    assert np.abs(np.asarray(image.pil, dtype=int) - 128).max() <= 1


def test_a_color_profile_is_applied_under_transparency_too():
    linear = Image.new("RGBA", (4, 4), (55, 55, 55, 77))
    image = decode_image(saved(linear, "PNG", icc_profile=profile("RGB", gamma=1.0)))
    assert np.abs(np.asarray(image.pil, dtype=int) - [128, 128, 128, 77]).max() <= 1


@pytest.mark.parametrize("space", ["GRAY", "RGB"])
def test_a_gray_image_may_carry_a_gray_or_a_color_profile(space):
    image = decode_image(saved(Image.new("L", (4, 4), 55), "PNG", icc_profile=profile(space, gamma=1.0)))
    assert image.notes == ()
    assert np.abs(np.asarray(image.pil, dtype=int) - 128).max() <= 1


def test_the_profile_of_srgb_moves_no_pixel():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = decode_image(saved(colorful(), "PNG", icc_profile=srgb))
    assert image.pil.tobytes() == colorful().tobytes()
    assert image.notes == ()


@pytest.mark.parametrize("broken", [b"x", bytes(200), profile("RGB", 1.0)[:300], profile("GRAY", 1.0)])
def test_a_broken_color_profile_is_ignored_and_noted(broken):
    image = decode_image(saved(colorful(), "PNG", icc_profile=broken))
    assert image.pil.tobytes() == colorful().tobytes()
    assert len(image.notes) == 1
    assert image.notes[0].startswith("the color profile was ignored")


def test_a_color_profile_of_many_megabytes_is_ignored_and_noted():
    image = decode_image(saved(colorful(), "JPEG", icc_profile=bytes(MOST_PROFILE_BYTES + 1)))
    assert "8,000,001 bytes" in image.notes[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", FORMATS)
def test_an_image_is_turned_as_exif_asks(file_format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(colorful(), file_format, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    image = decode_image(data)
    assert (image.width_px, image.height_px) == upright.size
    assert image.pil.tobytes() == upright.tobytes()


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
@pytest.mark.parametrize("file_format", FORMATS[:3])  # Pillow writes no broken EXIF into AVIF
def test_broken_exif_does_not_keep_an_image_from_being_read(file_format, exif):
    data = saved(colorful(), file_format, exif=exif)
    assert decode_image(data).pil.size == (24, 16)


def test_exif_that_breaks_pillows_reader_is_noted():
    data = saved(colorful(), "PNG", exif=b"Exif\0\0XX*\0")
    assert decode_image(data).notes == ("the EXIF data was ignored because it is unreadable",)


@pytest.mark.filterwarnings("error")
def test_no_warning_of_pillow_becomes_a_failure():
    assert decode_image(saved(colorful(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")).width_px == 24
    large = saved(Image.new("1", (10_000, 9_000)), "PNG")
    assert decode_image(large, most_pixels=90_000_000).width_px == 10_000


def test_the_image_carries_no_metadata():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(colorful(), "JPEG", icc_profile=srgb, comment=b"hello", dpi=(300, 300))
    assert decode_image(data).pil.info == {}


def test_views_show_transparent_parts_on_middle_gray():
    half = Image.new("RGBA", (8, 8), (255, 255, 255, 255))
    half.paste((255, 0, 0, 0), (0, 0, 4, 8))
    image = decode_image(saved(half, "PNG"))
    assert image.gray.tolist() == [[128] * 4 + [255] * 4] * 8
    assert pixels(image.small)[:8] == [(128, 128, 128)] * 4 + [(255, 255, 255)] * 4
    assert image.transparent_share == 0.5


def test_an_image_is_shrunk_once_to_the_mean_of_areas_and_never_enlarged():
    image = decode_image(saved(Image.linear_gradient("L").resize((400, 200)).convert("RGB"), "PNG"))
    for long_edge_px in (100, 200, 399):
        view, luma = image.shrunk(long_edge_px), image.luma_shrunk(long_edge_px)
        assert view.size == luma.size == (long_edge_px, round(long_edge_px / 2))
        assert view is image.shrunk(long_edge_px)
        assert np.abs(np.asarray(view.convert("L")).astype(int) - np.asarray(luma)).max() <= 1
    assert image.shrunk(512).size == (400, 200)


def test_views_are_made_once():
    image = decode_image(saved(colorful(), "PNG"))
    assert image.small is image.small
    assert image.luma is image.luma
    assert image.gray is image.gray


@settings(max_examples=40, deadline=None)
@given(width_px=st.integers(1, 1200), height_px=st.integers(1, 1200))
def test_the_small_view_has_at_most_256_px_and_at_least_half_of_them(width_px, height_px):
    image = decode_image(saved(Image.new("L", (width_px, height_px)), "PNG", compress_level=1))
    longest = max(image.small.size)
    assert longest <= 256
    assert longest >= min(128, max(width_px, height_px))


def test_importing_it_imports_no_library_for_pixels():
    program = (
        "import sys, imagemake.images.decoded, imagemake.images.thumbnail\n"
        "import imagemake.stages.validate.near_duplicates, imagemake.stages.postprocess.encode\n"
        "from imagemake.plugins.measures import BUILT_IN as measures, measure_class\n"
        "from imagemake.plugins.steps import BUILT_IN as steps, step_class\n"
        "for name in measures: measure_class(name)\n"
        "for name in steps: step_class(name)\n"
        "print(sorted({'numpy', 'PIL', 'cv2', 'imagehash', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
