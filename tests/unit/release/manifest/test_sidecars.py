"""The JSON beside an image: the manifest's entry, without what belongs to the run, and without the prompt."""

import json

import pytest
from entries import an_attempt, an_entry, without_image
from jsonschema import Draft202012Validator

from imagemake.config.campaign import load_campaign
from imagemake.core.fingerprint import fingerprint
from imagemake.release.manifest.chunks.chunk import cut
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.row import OutputFile
from imagemake.release.manifest.sidecars import SIDECAR_VERSION, sidecar_schema, write_sidecars

WEB = OutputFile(file="images/a-web.webp", width_px=4, height_px=3, bytes=9, digest="d" * 64, finished_digest="e" * 64)


def accepted(name, **changes):
    return an_entry(name, digest="1" * 64, finished_digest="2" * 64, **changes)


@pytest.fixture
def write(tmp_path):
    def written(*entries, with_prompt=False):
        write_sidecars(cut(entries), tmp_path, Pieces(None), with_prompt=with_prompt)
        return {path.name: json.loads(path.read_bytes()) for path in sorted((tmp_path / "images").glob("*"))}

    return written


def test_every_file_has_one_that_fits_the_schema(write, tmp_path):
    told = write(
        accepted("a", outputs={"web": WEB}, history=(an_attempt(0),), parameters={"n": 1, "sharp": True}),
        accepted("b", negative_prompt="text", variables={}),
        without_image("c", "rejected"),
    )
    assert list(told) == ["a-web.webp.json", "a.jpg.json", "b.jpg.json"]
    schema = json.loads((tmp_path / "sidecar.schema.json").read_bytes())
    assert schema == sidecar_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert [error.message for one in told.values() for error in validator.iter_errors(one)] == []
    for wrong in ({"output": 1}, {"verdict": "rejected"}, {"bytes": None}, {"more": 1}, {"files": {"main": {}}}):
        assert list(validator.iter_errors({**told["a.jpg.json"], **wrong})), wrong
    main, web = told["a.jpg.json"], told["a-web.webp.json"]
    assert (main["output"], main["file"], main["width_px"]) == ("main", "images/a.jpg", 1024)
    assert (web["output"], web["file"], web["width_px"], web["digest"]) == ("web", WEB.file, 4, WEB.digest)
    assert main["files"] == web["files"]
    assert main["variables"] == {"color": "red"}


def test_prompts_are_told_only_where_that_is_asked_for(write):
    entry = accepted("a", prompt="a secret mug", history=(an_attempt(0, prompt="a secret cup"),))
    assert "secret" not in json.dumps(write(entry))
    told = write(entry, with_prompt=True)["a.jpg.json"]
    assert (told["prompt"], told["history"][0]["prompt"]) == ("a secret mug", "a secret cup")
    assert list(Draft202012Validator(sidecar_schema()).iter_errors(told)) == []


def test_only_what_changed_is_written_and_the_run_changes_nothing(write, tmp_path):
    def looks():
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("**/*.json")}

    write(accepted("a", closed_at="2026-01-01"), accepted("b"))
    before = looks()
    write(accepted("a", closed_at="2026-01-03", measures={"tone.contrast": 12.5}), accepted("b", tries=2))
    after = looks()
    assert {name for name in before if before[name] != after[name]} == {"b.jpg.json"}


def test_the_order_of_values_moves_no_byte(write, tmp_path):
    write(accepted("a", variables={"x": "1", "y": "2"}))
    first = (tmp_path / "images" / "a.jpg.json").read_bytes()
    write(accepted("a", variables={"y": "2", "x": "1"}))
    assert (tmp_path / "images" / "a.jpg.json").read_bytes() == first


def test_a_changed_sidecar_needs_another_version():
    # A change here: raise SIDECAR_VERSION, as said there, and write the new digest down.
    known = {"1.0": "299eb176183921242694797e77d0ed701c878d92c39ecf4709215a194fafe56e"}
    kinds = {name: about.get("type") for name, about in sidecar_schema()["properties"].items()}
    assert known[SIDECAR_VERSION] == fingerprint(kinds)


def test_there_are_none_unless_they_are_asked_for():
    campaign = {"campaign": "c", "catalog": "catalog.csv", "prompt": "a mug", "name": "{sku}"}
    assert load_campaign(campaign).metadata.sidecar is None
    assert load_campaign({**campaign, "metadata": {"sidecar": "json"}}).metadata.sidecar == "json"
