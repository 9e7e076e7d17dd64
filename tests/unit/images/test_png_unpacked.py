"""PNG files whose pixels are unpacked first decode to the same pixels, and damaged ones fail in the same way."""

from __future__ import annotations

import random
from io import BytesIO

import numpy as np
import pytest
from image_files import saved
from PIL import Image

from imagemake.images import decoded, png_unpacked
from imagemake.images.decoded import Undecodable, decode_image
from imagemake.images.png_unpacked import with_unpacked_pixels


def drawn(mode, size=(37, 23)):
    noise = np.random.default_rng(1)
    if mode == "I;16":
        return Image.fromarray(noise.integers(0, 65_536, size[::-1], dtype=np.uint16))
    colors = Image.fromarray(noise.integers(0, 256, (*size[::-1], 4), dtype=np.uint8))
    return colors.convert(mode) if mode in ("LA", "RGBA") else colors.convert("RGB").convert(mode)


def pixels_of(data):
    """What a decoder makes of a file; for a damaged one, the kind of its error."""
    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as image:
            image.load()
            return image.mode, image.size, image.tobytes(), image.info.get("transparency")
    except Exception as error:
        return type(error)


def without_fast_path(monkeypatch, data):
    with monkeypatch.context() as patched:
        patched.setattr(decoded, "with_unpacked_pixels", lambda data: data)
        try:
            return decode_image(data).pil.tobytes()
        except Undecodable as error:
            return error.reason


def result_of(data):
    try:
        return decode_image(data).pil.tobytes()
    except Undecodable as error:
        return error.reason


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (37, 23), (640, 200)])
def test_every_kind_of_pixels_comes_out_the_same(mode, size):
    for level in (0, 1, 9):
        data = saved(drawn(mode, size), "PNG", compress_level=level)
        unpacked = with_unpacked_pixels(data)
        assert unpacked is not data
        assert pixels_of(unpacked) == pixels_of(data)


def test_a_file_that_was_damaged_anywhere_decodes_or_fails_as_before(monkeypatch):
    chance = random.Random(18)
    files = [saved(drawn(mode), "PNG") for mode in ("L", "P", "RGB", "RGBA")]
    n_unpacked = 0
    for _ in range(400):
        data = bytearray(chance.choice(files))
        at = chance.randrange(8, len(data))
        data[at] ^= 1 << chance.randrange(8)
        if chance.random() < 0.3:
            del data[chance.randrange(8, len(data)) :]
        assert result_of(bytes(data)) == without_fast_path(monkeypatch, bytes(data))
        n_unpacked += with_unpacked_pixels(bytes(data)) != data
    assert n_unpacked, "no damage was in a part that does not matter"


def test_what_is_unusual_is_left_to_the_decoder(monkeypatch):
    data = saved(drawn("RGB"), "PNG")
    interlaced = data[:28] + b"\1" + data[29:]
    for file in (b"", data[:20], data[:33], interlaced, data[:-40]):
        assert with_unpacked_pixels(file) == file
    monkeypatch.setattr(png_unpacked, "MOST_UNPACKED", 37 * 23 * 3)
    assert with_unpacked_pixels(data) is data, "it would need more memory than a small image does"


def test_a_header_that_promises_less_than_the_pixels_unpack_to_unpacks_no_more():
    bomb = saved(Image.new("L", (4000, 4000)), "PNG")
    small = bomb[:16] + (8).to_bytes(4) + (8).to_bytes(4) + bomb[24:]
    assert with_unpacked_pixels(small) == small
