"""XMP in containers: in without a pixel encoded again, out without a trace, and no damage that is not told."""

from io import BytesIO

import numpy as np
import pyexiv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagemake.config.outputs import Output
from imagemake.images.metadata.xmp import MOST_PACKET_BYTES, packet_of, with_packet, without_packet
from imagemake.stages.postprocess.encode import encode

PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:xmp="http://ns.adobe.com/xap/1.0/"><xmp:CreatorTool>a tool</xmp:CreatorTool></rdf:Description></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="r"?>'
)


def an_image(mode="RGB", size_px=(37, 21)):
    channels = len(mode)
    noise = np.random.default_rng(7).integers(0, 255, (size_px[1], size_px[0], channels), dtype=np.uint8)
    return Image.fromarray(noise, mode)


def a_file(file_format, mode="RGB", size_px=(37, 21)):
    return encode(an_image(mode, size_px), Output(format=file_format))


def lossless_webp(mode):
    file = BytesIO()
    an_image(mode).save(file, "WEBP", lossless=True)
    return file.getvalue()


FILES = {
    "jpeg": a_file("jpeg"),
    "png": a_file("png"),
    "png with alpha": a_file("png", "RGBA"),
    "avif": a_file("avif"),
    "avif with alpha": a_file("avif", "RGBA"),
    "webp": a_file("webp"),
    "webp with alpha": a_file("webp", "RGBA"),
    "lossless webp": lossless_webp("RGB"),
    "lossless webp with alpha": lossless_webp("RGBA"),
}
files = pytest.mark.parametrize("data", FILES.values(), ids=FILES)


@files
@pytest.mark.parametrize("packet", [PACKET, PACKET + b" "], ids=["even", "odd"])
def test_what_was_put_in_comes_out_and_leaves_the_same_bytes(data, packet):
    stamped = with_packet(data, packet)
    assert packet_of(data) is None
    assert packet_of(stamped) == packet
    assert without_packet(stamped) == data
    assert without_packet(data) == data


@files
def test_other_readers_find_it_and_see_the_same_pixels(data):
    stamped = with_packet(data, PACKET)
    with Image.open(BytesIO(stamped)) as image, Image.open(BytesIO(data)) as bare:
        assert image.mode == bare.mode
        assert image.tobytes() == bare.tobytes()
        assert b"a tool" in (image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode())
    with pyexiv2.ImageData(stamped) as read:
        assert read.read_xmp() == {"Xmp.xmp.CreatorTool": "a tool"}


@files
def test_a_second_packet_takes_the_place_of_the_first(data):
    other = PACKET.replace(b"a tool", b"another one")
    assert with_packet(with_packet(data, PACKET), other) == with_packet(data, other)


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    mode=st.sampled_from(["RGB", "RGBA"]),
    file_format=st.sampled_from(["jpeg", "png", "webp", "avif"]),
)
@settings(max_examples=40, deadline=None)
def test_any_size_is_told_right(width, height, mode, file_format):
    data = a_file(file_format, mode, (width, height))
    stamped = with_packet(data, PACKET)
    assert without_packet(stamped) == data
    with Image.open(BytesIO(stamped)) as image:
        image.load()
        assert image.size == (width, height)


@given(data=st.sampled_from(list(FILES.values())), cut=st.integers(0, 2000), flips=st.binary(min_size=4, max_size=8))
@settings(max_examples=300, deadline=None)
def test_damage_is_told_or_passed_on_and_nothing_else(data, cut, flips):
    damaged = bytearray(with_packet(data, PACKET)[: max(0, len(data) - cut)])
    for place, value in zip(flips[::2], flips[1::2], strict=False):
        if place < len(damaged):
            damaged[place] ^= value
    for function in (packet_of, without_packet, lambda one: with_packet(one, PACKET)):
        try:
            function(bytes(damaged))
        except ValueError as error:
            assert str(error)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<svg/>", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ValueError, match=r"."):
        with_packet(data, PACKET)


def test_the_longest_packet_fits_everywhere_and_a_longer_one_nowhere():
    longest = PACKET + b" " * (MOST_PACKET_BYTES - len(PACKET))
    for data in FILES.values():
        assert packet_of(with_packet(data, longest)) == longest
        with pytest.raises(ValueError, match="more than 65,502"):
            with_packet(data, longest + b" ")


def test_xmp_that_another_program_put_into_an_avif_file_is_read_and_left_alone():
    file = BytesIO()
    an_image("RGBA").save(file, "AVIF", xmp=PACKET)
    assert packet_of(file.getvalue()) == PACKET
    for change in (without_packet, lambda data: with_packet(data, PACKET)):
        with pytest.raises(ValueError, match="another program"):
            change(file.getvalue())
