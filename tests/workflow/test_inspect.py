"""`imagemake inspect`: the origin of an image, and detection of tampering."""

from __future__ import annotations

import json
import shutil

from PIL import Image

from imagemake.images.metadata.xmp import packet_of, with_packet


def test_file_copy_key_name_and_store_lead_to_the_same_image(built, tmp_path):
    row = built.manifest()["S001_teal"]
    lines = f"key,decision,note,reviewer,time\n{row['key']},approve,fine,Ann,\n"
    (built.folder / "config" / "reviews.csv").write_text(lines)
    built.snakemake()
    released = built.folder / "results/images/S001_teal.jpg"
    copy = tmp_path / "from a mail.jpg"
    shutil.copy(released, copy)
    (raw,) = built.folder.glob(f"store/raw/*/*/{row['key']}.*")
    (finished,) = built.folder.glob(f"store/finished/*/*/*.{row['finished_digest']}.*")
    found = {}
    for asked in (released, copy, raw, finished, row["key"], "S001_teal", "S001_teal.jpg"):
        told = json.loads(built.imagemake("inspect", str(asked), "--json").stdout)
        assert told.pop("mismatches") == []
        told.pop("file")
        found[str(asked)] = told
    first, *others = found.values()
    assert all(other == first for other in others)
    assert first["row"]["name"] == "S001_teal"
    assert first["recipe"]["prompt"] == row["prompt"]
    (call,) = first["calls"]
    assert call["request_id"] == row["request_id"] != ""
    assert first["reviews"] == [{"decision": "approve", "note": "fine", "reviewer": "Ann", "time": ""}]
    text = built.imagemake("inspect", str(copy)).stdout
    for word in (
        row["prompt"],
        row["key"],
        row["request_id"],
        "approve by Ann",
        "measure.tone.contrast",
        "catalog row",
    ):
        assert word in text


def test_an_image_that_was_changed_is_told(built, tmp_path):
    released = built.folder / "results/images/S001_teal.jpg"
    data = released.read_bytes()
    other = with_packet((built.folder / "results/images/S002_gold.jpg").read_bytes(), packet_of(data))
    (tmp_path / "other.jpg").write_bytes(other)
    told = built.imagemake("inspect", str(tmp_path / "other.jpg"), expect=1).stdout
    assert "changed after its release" in told
    assert "its content differs" in told
    (tmp_path / "note.jpg").write_bytes(with_packet(data, packet_of(data).replace(b">accepted<", b">approved<")))
    assert "only its metadata differs" in built.imagemake("inspect", str(tmp_path / "note.jpg"), expect=1).stdout


def test_what_nobody_here_knows_is_said_so(built, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "strange.png")
    assert "the file has no key" in built.imagemake("inspect", str(tmp_path / "strange.png"), expect=2).stderr
    assert "no file or image has this name" in built.imagemake("inspect", "no-such", expect=2).stderr
    assert "this key is in no manifest" in built.imagemake("inspect", "0" * 64, expect=1).stdout
    ours = packet_of((built.folder / "results/images/S001_teal.jpg").read_bytes())
    elsewhere = ours.replace(built.manifest()["S001_teal"]["key"].encode(), b"f" * 64).replace(
        b"gpt", "\u202egpt".encode()
    )
    (tmp_path / "theirs.jpg").write_bytes(with_packet((tmp_path / "strange.png").read_bytes(), elsewhere))
    told = built.imagemake("inspect", str(tmp_path / "theirs.jpg"), expect=1).stdout
    assert "the digest in its XMP" in told
    assert "\u202e" not in told
    (tmp_path / "text.jpg").write_text("no image")
    assert "the file has no key" in built.imagemake("inspect", str(tmp_path / "text.jpg"), expect=2).stderr


def test_all_attempts_are_told(project):
    made = project(attempts={"max": 2}, validation={"checks": {"tone.contrast": {"reject": {"min": 500}}}})
    made.snakemake(expect=1)
    told = json.loads(made.imagemake("inspect", "S000_red", "--json").stdout)
    assert [call["attempt"] for call in told["calls"]] == [1, 2]
    first = json.loads(made.imagemake("inspect", told["calls"][0]["key"], "--json").stdout)
    assert first["key"] == told["calls"][0]["key"] != first["row"]["key"]
    assert first["calls"] == told["calls"]
    assert "attempt 1, seed" in (text := made.imagemake("inspect", "S000_red").stdout)
    assert "tone.contrast" in text.partition("earlier")[2]
