"""The table of image formats is the only one: readers, writers, names, and types follow from its rows."""

import re
from io import BytesIO

import pytest
from folders import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imagemake.config.outputs import Output
from imagemake.images.decoded import decode_image
from imagemake.images.formats import FORMATS, end_of_image, extension_of, format_of, media_type_of
from imagemake.images.metadata.c2pa import has_manifest, mime_of, without_manifest
from imagemake.images.metadata.containers import CONTAINERS
from imagemake.images.metadata.xmp import packet_of, with_packet, without_packet
from imagemake.release.report.one_file import data_url
from imagemake.stages.postprocess.encode import encode
from imagemake.versions.publish.objects import content_type_of


def encoded(name):
    image = Image.effect_noise((24, 16), 60).convert("RGB")
    image.putalpha(Image.new("L", image.size, 90))
    return encode(image, Output(format=name))


@pytest.mark.parametrize("name", FORMATS)
def test_every_row_has_an_encoder_a_container_and_one_name_for_each_use(name):
    row, data = FORMATS[name], encoded(name)
    assert format_of(data) == name
    assert end_of_image(data, name) == len(data)
    assert extension_of(data) == row.extension
    assert row.media_type == mime_of(data) == media_type_of(row.extension) == content_type_of(f"images/a{row.suffix}")
    assert data_url("a", data).startswith(f"data:{row.media_type};base64,")
    assert Output(format=name).suffix == row.suffix
    assert decode_image(data).has_alpha is row.has_alpha
    assert not has_manifest(data)
    assert without_manifest(data) == data


@pytest.mark.parametrize("name", FORMATS)
@given(packet=st.binary(min_size=1, max_size=300))
def test_xmp_that_is_taken_out_leaves_the_same_bytes(name, packet):
    data = encoded(name)
    assert packet_of(with_packet(data, packet)) == packet
    assert without_packet(with_packet(data, packet)) == data


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if not row.has_quality])
def test_a_format_without_quality_takes_no_largest_size(name):
    with pytest.raises(ValueError, match="max_kb"):
        Output(format=name, max_kb=100)


def test_formats_that_nothing_here_reads_keep_their_extension():
    file = BytesIO()
    Image.new("P", (4, 4)).save(file, "GIF")
    assert extension_of(file.getvalue()) == "gif"
    assert extension_of(b"<html>") == "bin"


def test_no_other_module_has_a_table_of_formats():
    tables = re.compile(r"\"(?:png|jpeg|webp|avif)\": *(?:\"|b\"|\d)|\"\.?(?:png|jpg|webp|avif)\": \"image/")
    found = [
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / "src").rglob("*.py")
        if path.name != "formats.py" and tables.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
    assert set(CONTAINERS) == set(FORMATS)
