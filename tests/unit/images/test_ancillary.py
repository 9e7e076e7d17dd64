"""What a file says besides its pixels: it may be broken, it moves colors where browsers do, and it costs no image."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pytest
from folders import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import GRAY, GRAY_ALPHA, PALETTE, PNG_SIGNATURE, RGB, chunk, png, profile, saved
from PIL import Image

from imagemake.images.decoded import Undecodable, decode_image
from imagemake.images.formats import extension_of, format_of
from imagemake.images.source_files import source_image_of

FILES = REPOSITORY / "tests" / "images" / "metadata"
ROW = bytes([200, 100, 50, 20, 220, 60, 128, 128, 128, 255, 255, 255])
PLAIN = np.frombuffer(ROW, np.uint8).reshape(1, 4, 3)
P3_TO_SRGB = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])  # CSS Color 4, linear
SRGB_CORNERS = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
P3_CORNERS = (31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)


def of_row(*chunks, row=ROW):
    return png(len(row) // 3, 1, 8, RGB, [row], b"".join(chunks))


def wrong_crc(name, content):
    return chunk(name, content)[:-4] + b"\0\0\0\0"


def shown(data):
    return np.asarray(decode_image(data).pil)


def linear(values):
    values = values / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded(light):
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


FROM_P3 = encoded(linear(PLAIN) @ P3_TO_SRGB.T)
IGNORED = [
    "chrm-short",
    "gama-short",
    "iccp-compression-method-1",
    "phys-short",
    "srgb-empty",
    "text-bad-crc",
    "time-short",
    "trns-short-rgb",
]


@pytest.mark.parametrize("name", [*IGNORED, "ztxt-1.5mb-unpacked", "ztxt-compression-method-1"])
def test_a_broken_or_large_chunk_costs_no_image_and_no_reference(name):
    data = (FILES / f"{name}.png").read_bytes()
    at = data.index(b"IDAT") - 4
    plain = data[:33] + data[at:]
    image = decode_image(data)
    assert image.pil.tobytes() == decode_image(plain).pil.tobytes()
    assert (image.has_alpha, image.size_bytes) == (False, len(data))
    assert len(image.notes) == (name in IGNORED)
    assert source_image_of(data)[2:] == ("png", 64, 48, False)


NAMES = [b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"tIME", b"cICP", b"tRNS"]
NAMES += [b"eXIf", b"acTL", b"fcTL", b"fdAT", b"bKGD", b"hIST", b"sBIT", b"sPLT", b"teSt", b"vpAg"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b"x", b"k\0\0" + zlib.compress(bytes(2_000_000)), bytes(7), b"\xff" * 33])
def test_no_ancillary_chunk_of_any_content_costs_the_image(name, content):
    for broken in (chunk(name, content), wrong_crc(name, content)):
        whole = of_row()
        for data in (of_row(broken), whole[:-12] + broken + whole[-12:]):
            assert np.array_equal(shown(data), PLAIN)
            assert source_image_of(data).width_px == 4


@settings(max_examples=300, deadline=None)
@given(
    chunks=st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=60), st.booleans()), max_size=8),
    image=st.sampled_from(
        [(RGB, 8, 3), (RGB, 16, 6), (GRAY, 8, 1), (GRAY, 1, 1), (GRAY, 16, 2), (PALETTE, 8, 1), (GRAY_ALPHA, 8, 2)]
    ),
)
def test_no_mixture_of_ancillary_chunks_costs_the_image(chunks, image):
    color_type, depth_bits, row_bytes = image
    palette = chunk(b"PLTE", bytes(range(6))) if color_type == PALETTE else b""
    extra = b"".join((chunk if is_intact else wrong_crc)(name, content) for name, content, is_intact in chunks)
    data = png(1, 1, depth_bits, color_type, [bytes(row_bytes)], palette + extra)
    assert decode_image(data).pil.size == source_image_of(data)[3:5] == (1, 1)


def test_a_damaged_chunk_is_named_once():
    image = decode_image(of_row(*[wrong_crc(b"tEXt", b"a\0b")] * 3, wrong_crc(b"teSt", b"")))
    assert image.notes == ("damaged chunks that the image does not need were ignored: tEXt, teSt",)


def test_ordinary_chunks_are_not_worth_a_note():
    ordinary = [
        (b"pHYs", bytes(9)),
        (b"tEXt", b"Software\0x"),
        (b"tIME", bytes(7)),
        (b"gAMA", struct.pack(">I", 45_455)),
    ]
    assert decode_image(of_row(*(chunk(*one) for one in ordinary))).notes == ()


def test_a_text_that_unpacks_to_gigabytes_is_never_unpacked():
    text = chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(80_000_000), 9))
    tracemalloc.start()
    assert np.array_equal(shown(of_row(text)), PLAIN)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_text_named_like_a_property_changes_nothing():
    texts = [chunk(b"tEXt", name + b"\0x") for name in (b"transparency", b"icc_profile", b"exif", b"gamma")]
    image = decode_image(of_row(*texts))
    assert (image.has_alpha, image.notes) == (False, ())


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE", b"IDAT"])
def test_a_wrong_checksum_of_a_critical_chunk_is_damage(name):
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0]))
    data = png(2, 1, 8, PALETTE, [b"\0\1"], palette)
    at = data.index(name)
    end = at + 4 + int.from_bytes(data[at - 4 : at])
    with pytest.raises(Undecodable):
        decode_image(data[:end] + b"\0\0\0\0" + data[end + 4 :])
    with pytest.raises(Undecodable):  # one bit makes the name ancillary
        decode_image(data[:at] + name.lower()[:1] + name[1:] + data[at + 4 :])


def test_pixels_in_two_runs_are_not_joined():
    packed = zlib.compress(b"\0" + ROW)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, 8, RGB, 0, 0, 0))
    runs = chunk(b"IDAT", packed[:8]), chunk(b"IDAT", packed[8:])
    assert np.array_equal(shown(PNG_SIGNATURE + header + b"".join(runs) + chunk(b"IEND", b"")), PLAIN)
    with pytest.raises(Undecodable):
        decode_image(PNG_SIGNATURE + header + chunk(b"tEXt", b"a\0b").join(runs) + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("color_type", "row", "key"),
    [(RGB, ROW, 1), (RGB, ROW, 7), (GRAY, b"\0" * 4, 3), (PALETTE, b"\0" * 4, 3), (GRAY_ALPHA, b"\xff" * 8, 2)],
)
def test_transparency_of_a_wrong_length_is_ignored_and_noted(color_type, row, key):
    palette = chunk(b"PLTE", bytes(6)) if color_type == PALETTE else b""
    image = decode_image(png(4, 1, 8, color_type, [row], palette + chunk(b"tRNS", bytes(key))))
    assert image.pil.mode == "RGB"
    assert "tRNS" in image.notes[0]


def test_a_color_near_the_transparent_one_is_opaque():
    assert decode_image((FILES / "rgb16-trns-near-miss.png").read_bytes()).pil.mode == "RGB"
    key = chunk(b"tRNS", struct.pack(">3H", 0x8001, 0x0102, 0x0304))
    near = [(0x8001, 0x0102, 0x0304), (0x8000, 0x0102, 0x0304), (0x8001, 0x0103, 0x0304), (0x8101, 0x0102, 0x0304)]
    image = decode_image(png(4, 1, 16, RGB, [struct.pack(">12H", *sum(near, ()))], key))
    assert image.pil.getchannel("A").tobytes() == bytes([0, 255, 255, 255])
    assert image.pil.getpixel((3, 0)) == (0x81, 1, 3, 255)
    assert image.has_alpha


def test_only_as_many_bits_of_the_transparent_color_count_as_the_pixels_have():
    key = chunk(b"tRNS", struct.pack(">3H", 0xFF00 | 200, 100, 50))
    assert shown(of_row(key))[0, :, 3].tolist() == [0, 255, 255, 255]


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"cICP", bytes([12, 13, 0, 1]))],
        [chunk(b"cICP", bytes([12, 13, 0, 1])), chunk(b"sRGB", b"\0")],
        [chunk(b"cHRM", struct.pack(">8I", *P3_CORNERS))],
        [chunk(b"gAMA", struct.pack(">I", 45_455)), chunk(b"cHRM", struct.pack(">8I", *P3_CORNERS))],
    ],
)
def test_display_p3_is_converted_to_srgb(chunks):
    assert np.abs(shown(of_row(*chunks)).astype(int) - FROM_P3).max() <= 2
    assert decode_image(of_row(*chunks)).notes == ()


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"cICP", bytes([1, 13, 0, 1]))],
        [chunk(b"cICP", bytes([1, 1, 0, 1])), chunk(b"gAMA", struct.pack(">I", 100_000))],
        [chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 100_000))],
        [chunk(b"gAMA", struct.pack(">I", 45_455)), chunk(b"cHRM", struct.pack(">8I", *SRGB_CORNERS))],
    ],
)
def test_what_browsers_show_as_srgb_moves_no_pixel(chunks):
    assert np.array_equal(shown(of_row(*chunks)), PLAIN)


@pytest.mark.parametrize("chunks", [[(b"gAMA", struct.pack(">I", 100_000))], [(b"cICP", bytes([1, 8, 0, 1]))]])
def test_linear_light_is_converted_in_color_and_in_gray(chunks):
    colored = of_row(*(chunk(*one) for one in chunks))
    assert np.abs(shown(colored).astype(int) - encoded(PLAIN / 255)).max() <= 2
    gray = png(1, 1, 8, GRAY, [bytes([55])], b"".join(chunk(*one) for one in chunks))
    assert np.abs(shown(gray).astype(int) - 128).max() <= 1


def test_the_shared_files_of_other_colors_are_converted():
    for name, at in (("png-cicp-p3", 33 + 16), ("png-gama1.0", 33 + 16)):
        data = (FILES / f"{name}.png").read_bytes()
        plain, image = shown(data[:33] + data[at:]), decode_image(data)
        expected = encoded(linear(plain) @ P3_TO_SRGB.T) if "p3" in name else encoded(plain / 255)
        assert image.notes == ()
        assert np.abs(np.asarray(image.pil).astype(int) - expected).max() <= 2


def test_code_points_in_avif_are_applied():
    data = (FILES / "avif-nclx-p3.avif").read_bytes()
    at = data.index(b"colrnclx") + 8
    plain = shown(data[:at] + b"\0\1" + data[at + 2 :])
    assert np.abs(shown(data).astype(int) - encoded(linear(plain) @ P3_TO_SRGB.T)).max() <= 2


@pytest.mark.parametrize("transfer", [16, 18, 3, 255])
def test_colors_that_are_not_supported_are_noted(transfer):
    image = decode_image(of_row(chunk(b"cICP", bytes([9, transfer, 0, 1]))))
    assert image.notes == (f"the color profile (primaries 9, transfer {transfer}) was not applied",)
    assert np.array_equal(np.asarray(image.pil), PLAIN)
    data = (FILES / "avif-nclx-p3.avif").read_bytes()
    at = data.index(b"colrnclx") + 10
    (note,) = decode_image(data[:at] + bytes([0, transfer]) + data[at + 2 :]).notes
    assert "was not applied" in note


@pytest.mark.parametrize(
    ("name", "content"), [(b"gAMA", bytes(4)), (b"gAMA", b"\xff" * 4), (b"cHRM", bytes(32)), (b"cHRM", b"\0\0\1\0" * 8)]
)
def test_impossible_colors_are_noted(name, content):
    image = decode_image(of_row(chunk(name, content)))
    assert "was not applied" in image.notes[0]
    assert np.array_equal(np.asarray(image.pil), PLAIN)


def test_an_embedded_profile_wins_and_its_damage_lets_the_next_one_count():
    packed = b"p\0\0" + zlib.compress(profile("RGB", gamma=1.0))
    p3 = chunk(b"cICP", bytes([12, 13, 0, 1]))
    assert np.abs(shown(of_row(p3, chunk(b"iCCP", packed))).astype(int) - encoded(PLAIN / 255)).max() <= 1
    image = decode_image(of_row(p3, chunk(b"iCCP", packed[:-9])))
    assert image.notes == ("the color profile was ignored: it cannot be unpacked",)
    assert np.abs(np.asarray(image.pil).astype(int) - FROM_P3).max() <= 2


def test_a_profile_larger_than_pillow_unpacks_is_applied():
    large = profile("RGB", gamma=1.0)
    large = struct.pack(">I", len(large) + 2_000_000) + large[4:] + bytes(2_000_000)
    image = decode_image(of_row(chunk(b"iCCP", b"p\0\0" + zlib.compress(large))))
    assert np.abs(np.asarray(image.pil).astype(int) - encoded(PLAIN / 255)).max() <= 1


@pytest.mark.parametrize("brand", ["mif1", "miaf"])
def test_an_avif_of_a_general_brand_is_an_avif(brand):
    data = (FILES / f"avif-{brand}-major.avif").read_bytes()
    assert (format_of(data), extension_of(data)) == ("avif", "avif")
    image = decode_image(data)
    assert (image.format, image.pil.size) == ("avif", (64, 48))
    assert image.pil.tobytes() == decode_image(data[:8] + b"avif" + data[12:]).pil.tobytes()
    with pytest.raises(ValueError, match="AVIF are supported"):
        format_of(data.replace(b"avif", b"heic"))


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_an_image_is_not_turned_because_its_xmp_says_so(file_format):
    image = Image.new("RGB", (24, 16), "red")
    if file_format == "PNG":
        data = png(24, 16, 8, GRAY, [bytes(24)] * 16, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    else:
        data = saved(image, file_format, xmp=XMP)
    with Image.open(BytesIO(data)) as by_pillow:
        assert by_pillow.getexif()[0x0112] == 6
    assert decode_image(data).pil.size == (24, 16)
    if file_format != "AVIF":
        assert source_image_of(data)[3:5] == (24, 16)


@pytest.mark.parametrize("kind", [(1, 1), (0, 0)])
def test_code_points_of_video_levels_are_noted(kind):
    image = decode_image(of_row(chunk(b"cICP", bytes([12, 13, *kind]))))
    assert "was not applied" in image.notes[0]
    assert np.array_equal(np.asarray(image.pil), PLAIN)


SEGMENTS = [
    (0xE0, b"JFIF\0\1"),
    (0xE1, b"Exif\0\0II*\0\xff\xff"),
    (0xE1, b"http://ns.adobe.com/xap/1.0/\0<"),
    (0xE2, b"ICC_PROFILE\0"),
    (0xE2, b"MPF\0II*\0\x08\0\0\0"),
    (0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\0\x10"),
    (0xEE, b"Adobe\0"),
]


@pytest.mark.parametrize(("marker", "content"), SEGMENTS)
def test_no_broken_segment_of_a_jpeg_costs_the_image(marker, content):
    data = saved(Image.effect_noise((24, 16), 60).convert("RGB"), "JPEG")
    broken = data[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + data[2:]
    assert decode_image(broken).pil.tobytes() == decode_image(data).pil.tobytes()
    assert source_image_of(broken)[2:] == ("jpeg", 24, 16, False)


def test_a_jpeg_keeps_profile_and_orientation_beside_broken_segments():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.new("RGB", (24, 16), (55,) * 3), "JPEG", exif=exif, icc_profile=profile("RGB", gamma=1.0))
    image = decode_image(data[:2] + b"\xff\xe2\0\x0eICC_PROFILE\0" + data[2:])
    assert image.notes == ("damaged segments that the image does not need were ignored",)
    assert image.pil.size == (16, 24)
    assert np.abs(np.asarray(image.pil).astype(int) - 128).max() <= 2


def test_broken_exif_in_an_avif_is_ignored_and_noted():
    exif = Image.Exif()
    exif[0x010E] = "a description"
    data = saved(Image.new("RGB", (24, 16), "red"), "AVIF", exif=exif)
    at = max(data.find(b"MM\0*"), data.find(b"II*\0"))
    image = decode_image(data[:at] + b"XX??" + data[at + 4 :])
    assert image.notes == ("the EXIF data was ignored because it is unreadable",)
    assert image.pil.tobytes() == decode_image(data).pil.tobytes()


def test_only_the_colors_of_the_primary_image_of_an_avif_count():
    data = (FILES / "avif-nclx-p3.avif").read_bytes()
    plain = data.index(b"ipma")
    at = data.index(b"\x83\x04", plain) + 1  # the fourth property is colr
    assert np.array_equal(shown(data[:at] + b"\x02" + data[at + 1 :]), shown(data.replace(b"nclx\0\x0c", b"nclx\0\1")))


def test_an_interlaced_color_of_sixteen_bits_is_compared_in_full():
    # 1 x 1: only the first pass has a pixel.
    header = struct.pack(">IIBBBBB", 1, 1, 16, RGB, 0, 0, 1)
    for low, alpha in ((4, "RGBA"), (5, "RGB")):
        row = zlib.compress(b"\0" + bytes([1, 2, 3, low, 5, 6]))
        chunks = chunk(b"IHDR", header) + chunk(b"tRNS", bytes([1, 2, 3, 4, 5, 6])) + chunk(b"IDAT", row)
        assert decode_image(PNG_SIGNATURE + chunks + chunk(b"IEND", b"")).pil.mode == alpha
