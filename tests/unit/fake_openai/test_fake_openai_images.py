"""The stand-in's images are valid, distinct, cheap, and as bad as a rule requires."""

from __future__ import annotations

import base64
import io
import zlib
from collections import Counter
from dataclasses import replace

import imagehash
import numpy as np
import pytest
from fake_openai import Behavior, Settings
from fake_openai.chance import digest
from fake_openai.drawing import band_heights_px, draw_band
from fake_openai.products import product
from fake_openai.stand import Stand
from fake_openai.studio import Spec, Studio
from fake_openai.validate import read_request
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(pool_size=256)


def file_of(studio: Studio, spec: Spec, number: int, comment: str = "call-1") -> bytes:
    return base64.b64decode(b"".join(studio.image(spec, digest(number), comment)), validate=True)


def special(studio: Studio, behavior: Behavior, spec: Spec, number: int = 0, size: str | None = None) -> bytes:
    pieces = studio.special_image(behavior, spec, digest(number), f"call-{number}", size)
    return base64.b64decode(b"".join(pieces), validate=True)


def pixels(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


# Heights that are and are not multiples of 16 rows, and a width that is no multiple of a JPEG block.
@pytest.mark.parametrize("size", [(1024, 1024), (1536, 864), (656, 1008), (1000, 700), (300, 257), (64, 64), (16, 3)])
@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_files_decode_to_the_size_that_was_asked_for(studio: Studio, size: tuple[int, int], output_format: str) -> None:
    content = file_of(studio, Spec(*size, output_format), 1)
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert (image.size, image.format) == (size, output_format.upper())
    assert b"call-1" in content


@pytest.mark.parametrize("transparent", [False, True])
def test_a_png_that_was_put_together_holds_exactly_the_pixels_of_its_bands(transparent: bool) -> None:
    studio = Studio(pool_size=16)
    spec = Spec(400, 300, "png", transparent=transparent)
    identity = digest("some call")
    variants = [int.from_bytes(identity[4 * i : 4 * i + 4], "big") % 16 for i in range(8)]
    heights = band_heights_px(300)
    bands = [draw_band(400, height, variants[i], transparent) for i, height in enumerate(heights)]
    made = pixels(base64.b64decode(b"".join(studio.image(spec, identity, "x"))))
    assert np.array_equal(made, np.vstack(bands))


def test_a_jpeg_that_was_put_together_shows_what_the_png_shows(studio: Studio) -> None:
    png, jpeg = (pixels(file_of(studio, Spec(1000, 700, kind), 1)).astype(int) for kind in ("png", "jpeg"))
    assert np.abs(png - jpeg).mean() < 4


def test_output_compression_decides_the_size_of_a_jpeg(studio: Studio) -> None:
    sizes = []
    for compression in (0, 20, 50, 90, 100):
        content = file_of(studio, Spec(512, 400, "jpeg", compression), 1)
        assert pixels(content).shape == (400, 512, 3)
        sizes.append(len(content))
    assert sizes == sorted(sizes) and sizes[1] < sizes[3] / 2


@pytest.mark.parametrize("spec", [Spec(384, 384), Spec(64, 64), Spec(384, 384, "jpeg")])
def test_images_are_unlike_one_another_and_neither_dark_nor_flat(studio: Studio, spec: Spec) -> None:
    count = 150
    made = [Image.open(io.BytesIO(file_of(studio, spec, number))).convert("L") for number in range(count)]
    hashes = np.array([int(str(imagehash.phash(image)), 16) for image in made], np.uint64)
    distances = np.bitwise_count(hashes[:, None] ^ hashes[None])[np.triu_indices(count, 1)]
    assert distances.min() > 12
    assert all(60 < np.asarray(image).mean() < 190 and np.asarray(image).std() > 20 for image in made)


def test_another_comment_changes_the_file_and_not_one_pixel(studio: Studio) -> None:
    for output_format in ("png", "jpeg"):
        one, other = (file_of(studio, Spec(512, 512, output_format), 1, comment) for comment in ("call-1", "call-23"))
        assert one != other and np.array_equal(pixels(one), pixels(other))


def test_equal_calls_give_equal_pixels_on_another_server(studio: Studio) -> None:
    spec = Spec(512, 512)
    assert file_of(studio, spec, 5) == file_of(Studio(pool_size=256), spec, 5) != file_of(studio, spec, 6)


# Images that rules request

ANY = [Spec(512, 384), Spec(64, 64), Spec(512, 384, "jpeg"), Spec(512, 384, "webp"), Spec(512, 384, transparent=True)]


@pytest.mark.parametrize("spec", ANY)
def test_a_blank_image_has_one_color_and_low_contrast_has_few_grays(studio: Studio, spec: Spec) -> None:
    blank = pixels(special(studio, Behavior.BLANK, spec))
    assert blank.shape[:2] == (spec.height_px, spec.width_px)
    assert np.ptp(blank[..., :3]) <= 1
    dull = pixels(special(studio, Behavior.LOW_CONTRAST, spec)).astype(int)
    assert 0 < np.ptp(dull[..., :3]) <= (6 if spec.output_format == "png" else 20)
    assert dull[..., :3].std() < 3


@pytest.mark.parametrize("spec", ANY)
def test_a_wrong_size_is_half_or_what_the_rule_says(studio: Studio, spec: Spec) -> None:
    half = pixels(special(studio, Behavior.WRONG_SIZE, spec))
    assert half.shape[:2] == (spec.height_px // 2, spec.width_px // 2)
    assert pixels(special(studio, Behavior.WRONG_SIZE, spec, size="320x200")).shape[:2] == (200, 320)


@pytest.mark.parametrize("spec", ANY)
def test_a_wrong_format_is_a_good_image_of_another_kind(studio: Studio, spec: Spec) -> None:
    with Image.open(io.BytesIO(special(studio, Behavior.WRONG_FORMAT, spec))) as image:
        image.load()
        assert image.format != spec.output_format.upper() and image.size == (spec.width_px, spec.height_px)


@pytest.mark.parametrize("spec", ANY)
def test_a_truncated_file_starts_well_and_ends_early(studio: Studio, spec: Spec) -> None:
    content = special(studio, Behavior.TRUNCATED, spec)
    whole = file_of(studio, spec, 0, "call-0")
    assert whole.startswith(content) and 0.5 < len(content) / len(whole) < 0.7
    with pytest.raises((OSError, SyntaxError)):  # Pillow's words for both
        pixels(content)


def test_garbage_and_nothing_are_no_images(studio: Studio) -> None:
    garbage = special(studio, Behavior.GARBAGE, Spec(512, 512))
    assert len(garbage) == 20_000 != len(set(garbage))
    assert special(studio, Behavior.EMPTY, Spec(512, 512)) == b""
    for content in (garbage, b""):
        with pytest.raises(UnidentifiedImageError):
            pixels(content)


def test_a_bomb_is_small_valid_and_huge(studio: Studio) -> None:
    bomb = special(studio, Behavior.BOMB, Spec(512, 512))
    assert len(bomb) < 300_000
    with pytest.raises(Image.DecompressionBombError, match="1600000000 pixels"):
        pixels(bomb)
    start = bomb.index(b"IDAT") + 4
    inflate, inflated = zlib.decompressobj(), 0
    pending = bomb[start:]
    while pending and not inflate.eof:
        inflated += len(inflate.decompress(pending, 1 << 24))
        pending = inflate.unconsumed_tail
    assert inflate.eof and inflated == 40_000 * 5_001  # a decoder without limits would accept it


def test_the_same_image_comes_in_files_that_differ(studio: Studio) -> None:
    one, other = (special(studio, Behavior.SAME, Spec(512, 512), number) for number in (1, 2))
    assert one != other and np.array_equal(pixels(one), pixels(other))


@pytest.mark.parametrize(
    ("output_format", "transparent"), [("png", False), ("png", True), ("jpeg", False), ("webp", True)]
)
def test_a_product_is_drawn_as_the_prompt_says_and_each_call_differs(output_format, transparent):
    spec = Spec(256, 192, output_format, 90, transparent)
    mug, other, hat = (
        base64.b64decode(product(f"Photo of a red {noun}", spec, digest(number), "call-1"))
        for noun, number in (("mug", 1), ("mug", 2), ("hat", 1))
    )
    for content in (mug, other, hat):
        with Image.open(io.BytesIO(content)) as image:
            assert image.size == (256, 192)
            assert image.format == output_format.upper()
            assert (image.mode == "RGBA") == transparent
    assert len({mug, other, hat}) == 3
    assert product("Photo of a red mug", spec, digest(1), "call-1") == base64.b64encode(mug)


def planted(prompt: str, tags: frozenset[str] | None, n: int = 400, **settings: float | None) -> Counter[str]:
    """Return how often each defect is planted in so many images."""
    defects, mends = {"typo": 0.5, "color": 0.5}, {"color": "Recolor|Exactly"}
    stand = Stand(Settings(any_size=True, defects=defects, mends=mends, **settings), None)
    found: Counter[str] = Counter()
    for number in range(n):
        body = {"prompt": f"{prompt} {number}", "size": "64x64", "quality": "low"}
        request = replace(read_request("/v1/images/generations", body, stand.settings), tags=tags)
        found.update(stand.planted(request, 1))
    return found


def test_a_prompt_mends_a_defect_as_often_as_the_settings_say() -> None:
    assert planted("Exactly", None)["color"] == 0
    assert 60 < planted("Exactly", None, mended_share=0.6)["color"] < 100, "half of the images, and 40% of these"
    assert 170 < planted("A mug", None, mended_share=0.6)["color"] < 230


def test_a_repair_keeps_the_other_defects_and_what_was_good() -> None:
    repaired = planted("Recolor", frozenset({"color", "typo"}), repaired_share=0.8)
    assert repaired["typo"] == 400
    assert 55 < repaired["color"] < 105
    assert planted("Recolor", frozenset(), repaired_share=0.8) == {}, "nothing that was good is spoiled"
    assert planted("Recolor", frozenset())["typo"] > 150, "without the setting, all is drawn anew"
