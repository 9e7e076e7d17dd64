"""What released files say about themselves, read back by Exiv2, and which of them are written again."""

from dataclasses import replace

import pyexiv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagemake.config.outputs import Output
from imagemake.config.provenance import Metadata
from imagemake.core.recipe import Recipe
from imagemake.images.metadata.xmp import MOST_PACKET_BYTES, with_packet, without_packet
from imagemake.plan.requests.request import Request
from imagemake.plan.reviews import Review
from imagemake.plan.state import Stage, State
from imagemake.release.output_file import ReleaseFile
from imagemake.release.place import Placing, is_as_released
from imagemake.release.provenance import Provenance, provenance_of, source_type_of
from imagemake.release.released_files import ReleasedBefore
from imagemake.release.xmp_packet import properties_in
from imagemake.stages.postprocess.encode import encode
from imagemake.store.store import DamagedError, Store

AT = "2026-05-04T09:00:04.120Z"
PLAIN = Provenance(
    source_type="trainedAlgorithmicMedia",
    provider="openai",
    model="gpt-image-2",
    name="MUG-1_red",
    key="a" * 64,
    seed=7,
    content_digest="b" * 64,
    status="approved",
    note="fine",
    generated_at=AT,
)
BARE = encode(Image.new("RGB", (8, 8), "red"), Output(format="jpeg"))


def exiv2_reads(packet):
    with pyexiv2.ImageData(with_packet(BARE, packet)) as read:
        return {name.removeprefix("Xmp."): value for name, value in read.read_xmp().items()}


def ours(read, name):
    return next(value for key, value in read.items() if key.endswith(f".{name}"))


def test_exiv2_reads_all_that_was_written():
    read = exiv2_reads(PLAIN.packet())
    assert read["iptcExt.DigitalSourceType"].endswith("/digitalsourcetype/trainedAlgorithmicMedia")
    assert read["xmp.CreateDate"] == AT
    assert read["xmp.CreatorTool"].startswith("imagemake ")
    assert (ours(read, "AISystemUsed"), ours(read, "AISystemVersionUsed")) == ("openai", "gpt-image-2")
    assert (ours(read, "Key"), ours(read, "Seed"), ours(read, "Name")) == ("a" * 64, "7", "MUG-1_red")
    assert (ours(read, "Status"), ours(read, "ReviewNote")) == ("approved", "fine")


def test_the_prompt_is_there_only_where_it_was_asked_for():
    assert b"secret" not in PLAIN.packet()
    told = replace(PLAIN, prompt="a secret mug").packet()
    assert ours(exiv2_reads(told), "AIPromptInformation") == "a secret mug"


def test_the_writer_of_the_prompt_is_named_only_where_a_trained_model_read_it():
    named = replace(PLAIN, prompt_writer="Ann & Ben")
    assert ours(exiv2_reads(named.packet()), "AIPromptWriterName") == "Ann & Ben"
    assert b"AIPromptWriterName" not in PLAIN.packet()
    assert b"AIPromptWriterName" not in replace(named, source_type="algorithmicMedia").packet()


@pytest.mark.parametrize(
    ("provider", "with_files", "code"),
    [
        ("openai", False, "trainedAlgorithmicMedia"),
        ("openai", True, "compositeWithTrainedAlgorithmicMedia"),
        ("preview", False, "algorithmicMedia"),
        ("preview", True, "compositeSynthetic"),
    ],
)
def test_only_a_trained_model_is_called_one(provider, with_files, code):
    assert source_type_of(provider, with_files=with_files) == code
    assert (b"AISystemUsed" in replace(PLAIN, source_type=code).packet()) == (provider == "openai")


def in_xml(one):
    # XML 1.0, production 2
    return one in "\t\n\r" or " " <= one < "\ud800" or "\udfff" < one < "\ufffe" or one > "\uffff"


@given(text=st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_back_but_for_what_xml_cannot_hold(text):
    hostile = replace(PLAIN, note=text, name=f"x{text}", prompt=text)
    read = properties_in(hostile.packet())
    expected = "".join(
        one
        if one in "\t\n\r" or (" " <= one <= "\ufffd" and not "\ud800" <= one <= "\udfff") or one > "\uffff"
        else "\ufffd"
        for one in text
    )
    assert read["imagemake:Name"] == f"x{expected}"
    assert read.get("imagemake:ReviewNote", "") == expected


@pytest.mark.parametrize(
    "text", ["]]>", "</rdf:RDF>", "<!DOCTYPE x>", "&lt;", "\0\x1b", "\ud800", "\ufeff", "<?xpacket"]
)
def test_hostile_text_stays_text_for_exiv2_too(text):
    read = exiv2_reads(replace(PLAIN, note=f"a{text}b").packet())
    assert ours(read, "ReviewNote") == f"a{text}b".translate({0: "\ufffd", 27: "\ufffd", 0xD800: "\ufffd"})


@pytest.mark.parametrize("character", ["x", "&", "\U0001f600", "\r", "\0"])
def test_very_long_text_is_cut_so_that_every_file_holds_it(character):
    long = character * 200_000
    fields = dict.fromkeys(("provider", "model", "name", "note", "generated_at", "status", "prompt"), long)
    packet = replace(PLAIN, **fields, prompt_writer=character * 200).packet()
    assert len(packet) <= MOST_PACKET_BYTES
    read = properties_in(packet)
    assert read["imagemake:ReviewNote"].endswith(" […]")
    assert len(read["Iptc4xmpExt:AIPromptInformation"]) > len(read["imagemake:ReviewNote"])


@pytest.mark.parametrize(
    "packet",
    [b"", b"<x", b"\xff\xfe<\0", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a>" * 100_000],
)
def test_a_strangers_packet_that_is_none_is_refused(packet):
    with pytest.raises(ValueError, match=r"."):
        properties_in(packet)


@pytest.fixture
def state(tmp_path):
    recipe = Recipe("openai", "gpt-image-2", "a mug", 7)
    made = State(Request("mug", recipe, 2, {}, 1), recipe, recipe.key(), stage=Stage.DONE)
    content_store = Store(tmp_path / "store").finished
    made.finished = content_store.put("c" * 64, BARE, durable=False, extension="jpg")
    return made


@pytest.fixture
def place(tmp_path, state):
    def placed(at=AT, **metadata):
        memory = ReleasedBefore(tmp_path / "work.json")
        placing = Placing(Store(tmp_path / "store").finished, Metadata(**metadata), memory)
        released = placing.place(ReleaseFile(state), tmp_path / "mug.jpg", at)
        memory.save()
        return released

    return placed


def look_of(path):
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, path.read_bytes()


def test_a_released_file_is_the_stores_with_its_packet(place, state, tmp_path):
    released = place()
    data = (tmp_path / "mug.jpg").read_bytes()
    assert without_packet(data) == BARE
    assert released.bytes == len(data) > len(BARE)
    with pyexiv2.ImageData(data) as read:
        assert ours(read.read_xmp(), "Key") == state.key


@pytest.mark.parametrize("forget", [False, True])
def test_an_unchanged_image_is_not_written_again(place, tmp_path, forget):
    first = place()
    before = look_of(tmp_path / "mug.jpg")
    if forget:
        (tmp_path / "work.json").unlink()
    assert place() == first
    assert look_of(tmp_path / "mug.jpg") == before


def test_a_note_changes_the_file_and_neither_the_pixels_nor_the_store(place, state, tmp_path):
    place()
    state.review = Review("approve", "shadow is fine", "Ann", "")
    place()
    data = (tmp_path / "mug.jpg").read_bytes()
    assert b"shadow is fine" in data
    assert b"Ann" not in data
    assert without_packet(data) == BARE
    assert len(list(Store(tmp_path / "store").finished.all())) == 1


@pytest.mark.parametrize("change", [lambda data: data + b"x", lambda data: data[:-9] + b"y" + data[-8:]])
def test_a_file_that_somebody_edited_is_put_right(place, tmp_path, change):
    path = tmp_path / "mug.jpg"
    first = place()
    good = path.read_bytes()
    path.write_bytes(change(good))
    assert place() == first
    assert path.read_bytes() == good


def test_without_xmp_the_file_is_a_link_and_turning_it_on_leaves_the_store_alone(place, state, tmp_path):
    source = Store(tmp_path / "store").finished.path(state.finished)
    assert place(xmp=False).digest == state.finished.digest
    assert (tmp_path / "mug.jpg").samefile(source)
    place()
    assert not (tmp_path / "mug.jpg").samefile(source)
    assert source.read_bytes() == BARE
    place(xmp=False)
    assert (tmp_path / "mug.jpg").samefile(source)


@pytest.mark.parametrize("xmp", [True, False])
def test_a_damaged_image_of_the_store_is_found_before_it_is_released(place, state, tmp_path, xmp):
    source = Store(tmp_path / "store").finished.path(state.finished)
    source.chmod(0o644)
    source.write_bytes(BARE[:-3])
    with pytest.raises(DamagedError):
        place(xmp=xmp)
    assert not (tmp_path / "mug.jpg").exists()


def test_a_link_is_checked_once_and_again_after_a_change_of_the_file_under_either_name(place, tmp_path, monkeypatch):
    path = tmp_path / "mug.jpg"
    first = place(xmp=False)
    with monkeypatch.context() as patch:
        patch.setattr("imagemake.store.store.ContentStore.read", None)
        assert place(xmp=False) == first, "unchanged, so it is not read"
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(30)
        file.write(b"x")
    with pytest.raises(DamagedError, match="does not match its digest"):
        place(xmp=False)


def test_a_file_that_can_hold_no_xmp_is_released_as_it_is(place, state, tmp_path, capsys):
    state.finished = Store(tmp_path / "store").finished.put("d" * 64, b"ftypavif", durable=False, extension="jpg")
    assert place().digest == state.finished.digest
    assert "released without XMP" in capsys.readouterr().err


def test_whether_a_file_is_right_is_known_without_the_journal(place, state, tmp_path):
    path, metadata = tmp_path / "mug.jpg", Metadata()
    place()
    assert is_as_released(path, ReleaseFile(state), metadata)
    assert not is_as_released(path, ReleaseFile(state), Metadata(xmp=False))
    assert not is_as_released(path, ReleaseFile(state), Metadata(prompt="embed"))
    other = replace(provenance_of(state, metadata, AT), seed=8)
    path.write_bytes(with_packet(BARE, other.packet()))
    assert not is_as_released(path, ReleaseFile(state), metadata)
    path.write_bytes(BARE)
    assert not is_as_released(path, ReleaseFile(state), metadata)
