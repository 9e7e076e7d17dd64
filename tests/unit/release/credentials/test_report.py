"""What is told of content credentials: of good, changed, expired, foreign and hostile ones, and without the library."""

import io
import time
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from certificates import a_chain
from content_credentials import CLAIM, signed_by_provider
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from time_stamps import time_stamping

from imagemake.cli import inspect_lines as inspecting_lines
from imagemake.core.problems import UserError
from imagemake.images.metadata.c2pa import has_manifest, without_manifest
from imagemake.images.metadata.xmp import with_packet, without_packet
from imagemake.release.credentials import report as report_module
from imagemake.release.credentials.report import Credentials, Ingredient, credentials_of
from imagemake.release.credentials.trust import trust_anchors

PROVIDER = a_chain("Provider")
FORMATS = ["jpeg", "png", "webp"]


def plain(file_format):
    file = io.BytesIO()
    Image.radial_gradient("L").resize((48, 48)).convert("RGB").save(file, file_format)
    return file.getvalue()


PLAIN = {file_format: plain(file_format) for file_format in FORMATS}
SIGNED = {
    file_format: signed_by_provider(data, f"image/{file_format}", PROVIDER.chain, PROVIDER.key)
    for file_format, data in PLAIN.items()
}


@pytest.mark.parametrize("file_format", FORMATS)
def test_who_signed_and_what_was_done_is_told(file_format):
    told = credentials_of(SIGNED[file_format])
    assert (told.state, told.signer, told.generator) == ("valid", "Provider, Provider Signer", "A Provider 1")
    assert (told.actions, told.failures) == (("c2pa.created (trainedAlgorithmicMedia)",), ())
    assert credentials_of(SIGNED[file_format], PROVIDER.root).state == "trusted"
    assert credentials_of(SIGNED[file_format], a_chain("Other").root).state == "valid"
    assert credentials_of(PLAIN[file_format]) is None


def test_the_certificates_of_the_standard_are_valid_and_others_are_called_misused():
    for purpose in ("1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1", "1.3.6.1.4.1.311.76.59.1.9"):
        theirs = a_chain("Theirs", usage=ObjectIdentifier(purpose))
        signed = signed_by_provider(PLAIN["png"], "image/png", theirs.chain, theirs.key)
        assert (credentials_of(signed).state, credentials_of(signed).failures) == ("valid", ())
        assert credentials_of(signed, theirs.root).state == "trusted"
    theirs = a_chain("Theirs", usage=ObjectIdentifier("1.2.3.4.5"))
    signed = signed_by_provider(PLAIN["png"], "image/png", theirs.chain, theirs.key, purpose="1.2.3.4.5")
    told = credentials_of(signed, theirs.root)
    assert told.state == "misused"
    assert "must not sign images" in "\n".join(inspecting_lines.credentials_lines(told))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("texts", [1, 200_000])
def test_taking_credentials_out_gives_back_what_was_signed(file_format, texts):
    big = {"label": "test.big", "data": {"text": "x" * texts}, "kind": "Json"}
    claim = {**CLAIM, "assertions": [*CLAIM["assertions"], big]}
    for data in (PLAIN[file_format], with_packet(PLAIN[file_format], b"<x/>")):
        signed = signed_by_provider(data, f"image/{file_format}", PROVIDER.chain, PROVIDER.key, claim)
        assert len(signed) > len(data) + texts
        assert without_manifest(signed) == data
        assert without_packet(without_manifest(signed)) == PLAIN[file_format]
        assert without_manifest(data) == data


def test_boxes_of_other_standards_are_left_alone():
    other = b"JP" + b"\x00\x09" + b"\x00\x00\x00\x01" + b"\x00\x00\x00\x20jumb\x00\x00\x00\x10jumdjpeg" + bytes(12)
    data = PLAIN["jpeg"][:2] + b"\xff\xeb" + (len(other) + 2).to_bytes(2) + other + PLAIN["jpeg"][2:]
    assert not has_manifest(data)
    signed = signed_by_provider(data, "image/jpeg", PROVIDER.chain, PROVIDER.key)
    assert has_manifest(signed)
    assert other in without_manifest(signed)
    assert not has_manifest(without_manifest(signed))


@settings(deadline=None, max_examples=150)
@given(file_format=st.sampled_from(FORMATS), place=st.floats(0, 1), cut=st.booleans(), byte=st.integers(0, 255))
def test_whatever_is_done_to_a_file_it_is_told_and_nothing_breaks(file_format, place, cut, byte):
    data = bytearray(SIGNED[file_format])
    at = int(place * (len(data) - 1))
    if cut:
        del data[at:]
    else:
        data[at] = byte
    told = credentials_of(bytes(data))
    assert told is None or told.state in ("valid", "tampered", "unreadable")
    if told and told.state == "valid" and bytes(data) != SIGNED[file_format]:
        assert without_manifest(bytes(data)) == PLAIN[file_format]  # what differs is padding of the credentials


def test_a_file_that_is_cut_off_still_has_them_and_they_do_not_hold():
    for file_format in ("png", "jpeg"):
        assert credentials_of(SIGNED[file_format][:-40]).state in ("tampered", "unreadable")


@given(data=st.binary(max_size=200), start=st.sampled_from([b"", *(data[:40] for data in SIGNED.values())]))
def test_bytes_that_are_no_image_have_no_credentials(data, start):
    credentials_of(start + data)
    with suppress(ValueError):
        without_manifest(start + data)


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(report_module, "packages_missing", lambda: ["c2pa-python"])
    told = credentials_of(SIGNED["png"])
    assert told.state == "unread"
    assert "pip install 'imagemake[c2pa]'" in "\n".join(inspecting_lines.credentials_lines(told))
    assert credentials_of(PLAIN["png"]) is None


def test_a_time_stamp_outlives_the_certificate(tmp_path):
    authority = a_chain("Authority", "RSA", usage=ExtendedKeyUsageOID.TIME_STAMPING)
    short = a_chain("Short", ends=timedelta(seconds=3))
    bare = signed_by_provider(PLAIN["png"], "image/png", short.chain, short.key)
    with time_stamping(tmp_path, authority) as url:
        stamped = signed_by_provider(PLAIN["png"], "image/png", short.chain, short.key, stamp=url)
    assert credentials_of(bare, short.root).state == credentials_of(stamped, short.root).state == "trusted"
    time.sleep(4)
    roots = short.root + authority.root
    told = credentials_of(bare, roots)
    assert (told.state, told.signed_at) == ("expired", None)
    assert "the signature is no longer valid" in "\n".join(inspecting_lines.credentials_lines(told))
    told = credentials_of(stamped, roots)
    assert told.state == "trusted"
    assert told.signed_at is not None
    assert credentials_of(stamped, short.root).state == "expired"  # nobody vouches for the authority


def test_no_address_that_a_file_names_is_asked():
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/theirs.c2pa"
        packet = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f'<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{address}"/>'
            "</rdf:RDF></x:xmpmeta>"
        ).encode()
        assert credentials_of(with_packet(PLAIN["jpeg"], packet)) is None
        signed = signed_by_provider(with_packet(PLAIN["jpeg"], packet), "image/jpeg", PROVIDER.chain, PROVIDER.key)
        assert credentials_of(signed).state == "valid"
        report_module.read_credentials(signed)
        with pytest.raises(report_module.CredentialsError):
            report_module.read_credentials(with_packet(PLAIN["jpeg"], packet))
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_what_a_file_says_is_made_printable():
    hostile = Credentials(
        "valid", "Evil\x1b[2J", "\u202eagent", None, ("c2pa.x\n",), (Ingredient("parentOf\r", "\x07", "s\0", "g"),)
    )
    text = "\n".join(inspecting_lines.credentials_lines(hostile))
    assert all(one.isprintable() or one == "\n" for one in text)


def test_trusted_roots_come_from_the_option_else_from_the_configuration(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "roots.pem").write_text(PROVIDER.root)
    config = tmp_path / "config" / "config.yaml"
    assert trust_anchors(tmp_path, None) == ""
    for text in ("c2pa: {", "[]", "c2pa: null", "c2pa: {trust: 7}", "c2pa: {certificate: x}"):
        config.write_text(text)
        assert trust_anchors(tmp_path, None) == ""
    config.write_text("c2pa: {certificate: x, trust: roots.pem}")
    assert trust_anchors(tmp_path, None) == PROVIDER.root
    other = tmp_path / "other.pem"
    other.write_text(a_chain("Other").root)
    assert trust_anchors(tmp_path, other) == a_chain("Other").root
    other.write_text("nothing")
    for named in (other, tmp_path / "nowhere.pem"):
        with pytest.raises(UserError, match="PEM file of root certificates"):
            trust_anchors(tmp_path, named)
