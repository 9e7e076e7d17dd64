"""Releases in folders and at revisions: found, and without access to other files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from entries import an_entry
from release_folders import an_image, opener, with_image, write_release

from imagemake.cli.diff import build_report
from imagemake.core.problems import UserError
from imagemake.images.metadata.xmp import with_packet
from imagemake.release.manifest.row import OutputFile
from imagemake.release.manifest.tables import write_manifest
from imagemake.release.provenance import Provenance
from imagemake.store.store import Store
from imagemake.versions.diff import table as reading
from imagemake.versions.diff.compare import compare
from imagemake.versions.diff.image_changes import most_visible, open_images, with_xmp_changes
from imagemake.versions.diff.page import write_page
from imagemake.versions.diff.revision import Repository, Revision
from imagemake.versions.diff.snapshot import ShownImage
from imagemake.versions.diff.table import read_table

RED, TEAL = an_image("red"), an_image("teal")


def run(folder, *command):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def commit(folder, tag):
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", tag)
    run(folder, "git", "tag", tag)


def names_of(changes):
    return {change.name: (change.kind, *change.reasons) for change in changes}


@pytest.fixture
def project(tmp_path):
    """A project below the root of its repository, with a release at tag v1 and another one in the work tree."""
    folder = tmp_path / "repository" / "shop"
    write_release(folder / "results", [with_image("mug", RED), with_image("cup", RED)])
    run(tmp_path / "repository", "git", "init", "-q")
    return folder


def edit(project):
    changed = with_image("mug", TEAL, prompt="Product photo of a cup", key="9" * 64)
    write_release(project / "results", [changed, with_image("vase", RED)])


def seen_between(one, other):
    found = compare(one.table, other.table)
    changes = list(found.changes)
    return names_of(changes), open_images(changes, one, other)


def test_images_that_git_tracks_are_those_of_the_revision(project):
    commit(project, "v1")
    edit(project)
    with opener(project) as opening:
        for name in ("v1", "HEAD", Repository(project).commit_of("v1")[:12]):
            told, seen = seen_between(opening.open(name), opening.work_tree())
            assert told == {"mug": ("changed", "prompt"), "cup": ("removed",), "vase": ("added",)}
            assert seen["mug"].distance.delta_e > 10
            assert (seen["cup"].after, seen["vase"].before) == (None, None)
            assert seen["cup"].before.webp == seen["vase"].after.webp  # both are red


def test_a_file_of_a_revision_that_is_too_large_is_left_and_the_next_one_is_read(project):
    (project / "large").write_bytes(os.urandom(1_000_000))  # larger than a pipe's buffer
    commit(project, "v1")
    repository = Repository(project)
    found = []

    def read():
        revision = Revision(repository, repository.commit_of("v1"))
        found.append((revision.read("large", 1_000), revision.read("results/images/mug.png", 1_000)))
        revision.close()

    reading_it = threading.Thread(target=read, daemon=True)  # a read that never ends fails only this test
    reading_it.start()
    reading_it.join(30)
    assert found == [(None, RED)]


def test_images_that_dvc_tracks_come_from_its_cache_or_its_remote_and_else_from_the_store(project, tmp_path):
    run(project, "dvc", "init", "-q", "--subdir")
    run(project, "dvc", "remote", "add", "-q", "-d", "elsewhere", str(tmp_path / "remote"))
    run(project, "dvc", "add", "-q", "results/images", "results/manifest.parquet", "results/manifest.csv")
    commit(project, "v1")
    edit(project)
    expected = {"mug": ("changed", "prompt"), "cup": ("removed",), "vase": ("added",)}

    def look():
        with opener(project) as opening:
            told, seen = seen_between(opening.open("v1"), opening.work_tree())
        assert told == expected
        return seen["mug"]

    assert look().distance.delta_e > 10
    run(project, "dvc", "push", "-q")
    run(project, "rm", "-rf", ".dvc/cache")
    assert look().distance.delta_e > 10
    run(project, "rm", "-rf", ".dvc/cache", str(tmp_path / "remote"))
    with (
        opener(project) as opening,
        pytest.raises(UserError, match=r"DVC tracks its manifest but cannot read it.*\n.*dvc fetch"),
    ):
        opening.open("v1")


def test_a_record_of_a_release_and_the_store_are_enough_where_its_files_are_gone(project):
    write_release(project / "releases" / "v1", [with_image("mug", RED), with_image("cup", RED)])
    run(project, "rm", "-rf", "results", "releases/v1/images")
    commit(project, "v1")
    edit(project)
    run(project, "rm", "-rf", "results/images")
    store = Store(project / "store")
    store.finished.put("a" * 64, RED, durable=False)
    store.raw.put("9" * 64, TEAL, durable=False)
    with opener(project) as opening:
        before, after = opening.open("v1"), opening.work_tree()
        assert before.image(before.row(1)) == ShownImage(RED, is_raw=False)
        assert after.image({**after.row(0), "raw_digest": hashlib.sha256(TEAL).hexdigest()}) == ShownImage(
            TEAL, is_raw=True
        )
        _, seen = seen_between(before, after)
    assert seen["mug"].before.webp is not None
    assert "no longer in the release or the store" in seen["mug"].after.note
    assert seen["mug"].distance is None
    with opener(project) as opening:
        assert names_of(compare(opening.open("releases/v1").table, opening.open("v1").table).changes) == {}


def test_a_file_that_is_not_the_one_its_manifest_names_is_not_shown(project):
    (project / "results/images/mug.png").write_bytes(TEAL)
    with opener(project) as opening:
        shown = opening.work_tree()
        assert shown.image(shown.row(1)) is None
        assert shown.image(shown.row(0)) == ShownImage(RED, is_raw=False)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("v9", "neither a git tag, branch, or commit nor a folder with a manifest"),
        ("results/images", "the folder contains no manifest.parquet or manifest.csv"),
        ("--upload-pack=x", "neither a git tag"),
        ("v1", "contains no manifest in results/ or releases/v1/"),
        ("both", "a folder with a release and a git revision"),
    ],
)
def test_what_cannot_be_opened_is_told_with_a_remedy(project, name, told):
    write_release(project / "both", [])
    run(project, "git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x", "--allow-empty")
    run(project, "git", "tag", "v1")
    run(project, "git", "branch", "both")
    with opener(project) as opening, pytest.raises(UserError, match=told) as error:
        opening.open(name)
    assert error.value.problems[0].remedy


def test_without_git_two_folders_can_be_compared_and_revisions_are_told(tmp_path):
    one = write_release(tmp_path / "one", [with_image("mug", RED)])
    other = write_release(tmp_path / "other", [with_image("mug", TEAL)])
    with opener(tmp_path) as opening:
        told, seen = seen_between(opening.open(str(one)), opening.open(str(other / "manifest.csv")))
        assert told == {"mug": ("changed", "regenerated")}
        assert seen["mug"].distance.delta_e > 10
        with pytest.raises(UserError, match="not in a git repository"):
            opening.open("v1")
        with pytest.raises(UserError, match="snakemake"):
            opening.work_tree()


def test_only_names_that_match_are_compared(project):
    with opener(project, names=["c*", "nothing"]) as opening:
        assert opening.work_tree().table["name"].to_pylist() == ["cup"]


def test_a_note_of_a_reviewer_is_told_from_the_files_themselves(tmp_path):
    plain = {"source_type": "algorithmicMedia", "provider": "p", "model": "m", "name": "mug", "key": "k", "seed": 1}

    def said(folder, **changes):
        packet = Provenance(**plain, content_digest="c", **{"status": "accepted", **changes}).packet()
        data = with_packet(RED, packet)
        entry, _ = with_image("mug", data, raw_digest="b" * 64, finished_digest="f" * 64)
        return write_release(tmp_path / folder, [(entry, data)])

    folders = said("a"), said("b", status="approved", note="fine"), said("c", generated_at="2026-01-01T00:00:00Z")
    with opener(tmp_path) as opening:
        one, *others = (opening.open(str(folder)) for folder in folders)
        reviewed, other = (next(with_xmp_changes(compare(one.table, two.table).changes, one, two)) for two in others)
    assert reviewed.reasons == ("review",)
    assert reviewed.differences == {"xmp.Status": ("accepted", "approved"), "xmp.ReviewNote": ("", "fine")}
    assert other.reasons == ("metadata",)
    assert list(other.differences) == ["xmp.CreateDate"]


@pytest.mark.parametrize(
    "file",
    ["../secret.png", "images/../../secret.png", "{absolute}", "images/link.png", "images/pipe", "images", "x\0y", ""],
)
def test_no_path_of_a_manifest_leads_out_of_its_folder(tmp_path, file):
    secret = tmp_path / "secret.png"
    secret.write_bytes(RED)
    entry = an_entry("mug", file=file.format(absolute=secret), digest=None)
    folder = write_release(tmp_path / "theirs", [(entry, RED)])
    for path in ("images/link.png", "images/pipe"):
        (folder / path).unlink(missing_ok=True)
    (folder / "images/link.png").symlink_to(secret)
    os.mkfifo(folder / "images/pipe")
    with opener(tmp_path) as opening:
        theirs = opening.open(str(folder))
        assert theirs.image(theirs.row(0)) is None


def test_no_manifest_is_read_through_a_link_out_of_its_folder(tmp_path):
    write_release(tmp_path / "ours", [])
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/manifest.parquet").symlink_to(tmp_path / "ours/manifest.parquet")
    with opener(tmp_path) as opening, pytest.raises(UserError, match="a link out of the folder"):
        opening.open(str(tmp_path / "theirs"))


def bomb():
    """A PNG of 30,000 x 30,000 px in a few bytes."""

    def chunk(name, content):
        return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)

    header = (30_000).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    pixels = zlib.compress(bytes(10**6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("data", [b"", b"no image", RED[:60], bomb(), b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_cannot_be_decoded_is_told_in_the_place_of_the_image(tmp_path, data):
    one = write_release(tmp_path / "one", [with_image("mug", RED)])
    other = write_release(tmp_path / "other", [with_image("mug", data)])
    with opener(tmp_path) as opening:
        _, seen = seen_between(opening.open(str(one)), opening.open(str(other)))
    assert seen["mug"].after.webp is None
    assert "it cannot be decoded: " in seen["mug"].after.note
    assert seen["mug"].before.webp is not None


def a_parquet(**changes):
    columns = {**{name: ["x", "y"] for name in reading.NEEDED}, "name": ["a", "b"], **changes}
    file = io.BytesIO()
    pq.write_table(pa.table({name: column for name, column in columns.items() if column is not None}), file)
    return file.getvalue()


GOOD = a_parquet()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no column name, key, verdict, prompt"),
        (b"PAR1", "smaller than the minimum"),
        (GOOD[:-20], "magic bytes"),
        (GOOD[:60] + bytes(40) + GOOD[100:], "invalid manifest"),
        (a_parquet(key=None), "no column key"),
        (a_parquet(name=["a", "a"]), "the name 'a' twice"),
        (a_parquet(prompt=[{"a": 1}, {"a": 2}]), "invalid manifest"),
        (b"name,key,verdict,prompt\na,b,c\n", "line 2 has 3 cells"),
        (b"name,key,verdict,prompt,prompt\n", "duplicate columns"),
        (b"\xff\xfe\xfd", "utf-8"),
        (b'name,key,verdict,prompt\n"a', "unexpected end of data"),
    ],
)
def test_a_manifest_that_is_none_is_told_in_words(data, told):
    with pytest.raises(UserError, match=told):
        read_table(data, "theirs/manifest.parquet")


def test_a_small_file_that_says_one_long_text_a_million_times_is_refused(monkeypatch):
    monkeypatch.setattr(reading, "MOST_COLUMN_BYTES", 10_000_000)
    n_rows = 2_000
    names = [f"n{row}" for row in range(n_rows)]
    for column in ({"prompt": ["x" * 10_000] * n_rows}, {"reasons": [["x" * 10_000]] * n_rows}):
        data = a_parquet(**{**dict.fromkeys(reading.NEEDED, names), **column})
        assert len(data) < 200_000
        with pytest.raises(UserError, match=f"its column {next(iter(column))} holds more than"):
            read_table(data, "theirs")


@pytest.mark.parametrize(
    "changes",
    [
        {"history": ["[1]", ""]},
        {"history": ["{", ""]},
        {"tries": ["many", ""]},
        {"cost_usd": ["nan", ""], "tries": ["1", "1"]},
    ],
)
def test_attempts_that_are_none_are_told_in_words(changes):
    from imagemake.versions.diff.numbers import attempts_of

    with pytest.raises(UserError, match="the attempts of 'a' are invalid"):
        attempts_of(read_table(a_parquet(**changes), "it"), "it")


def test_images_of_a_further_output_are_shown_where_the_main_one_is_as_it_was(tmp_path):
    def release(folder, **files):
        outputs = {}
        for label, data in files.items():
            digest = hashlib.sha256(data).hexdigest()
            facts = {"width_px": 64, "height_px": 48, "bytes": len(data), "digest": digest, "finished_digest": digest}
            outputs[label] = OutputFile(file=f"images/mug-{label}.png", **facts)
        entry, _ = with_image("mug", RED, outputs=outputs)
        written = write_release(tmp_path / folder, [(entry, RED)])
        for label, data in files.items():
            (written / f"images/mug-{label}.png").write_bytes(data)
        write_manifest([entry], written / "manifest.csv", written / "manifest.parquet", outputs=sorted(files))
        return str(written)

    def seen(one, other):
        with opener(tmp_path) as opening:
            before, after = opening.open(one), opening.open(other)
            return open_images(compare(before.table, after.table).changes, before, after)["mug"]

    one, other = release("a", web=RED, same=RED), release("b", web=TEAL, same=RED, above=TEAL)
    found = seen(one, other)
    assert found.output == "web", "rather than one that only one of them has"
    assert found.distance.delta_e > 10
    with opener(tmp_path) as opening:
        report = build_report(opening, one, other, 9)
    assert any("mug: postprocessing  [web: hash " in line for line in report.lines("table", most=9))
    assert json.loads("\n".join(report.lines("json", most=9)))["changes"][0]["output_shown"] == "web"
    write_page(tmp_path / "page.html", report)
    assert b'"output":"web"' in (tmp_path / "page.html").read_bytes().replace(b" ", b"")
    found = seen(release("c"), one)
    assert (found.output, found.before.note, found.distance) == ("same", "its release does not have this output", None)
    assert found.after.webp is not None
    Path(one, "images/mug-web.png").unlink()
    assert "no longer in the release or the store" in seen(one, other).before.note, "the raw one does not stand for it"


def test_the_most_different_images_are_opened_first_and_unchanged_pixels_last(tmp_path):
    def release(folder, *entries):
        return write_release(tmp_path / folder, entries)

    def hashed(name, data, bits, **changes):
        return with_image(name, data, measures={"phash.hash": f"{(1 << bits) - 1:016x}"}, **changes)

    one = release("a", hashed("near", RED, 0), hashed("far", RED, 0), hashed("same", RED, 0), with_image("gone", RED))
    other = release(
        "b",
        hashed("near", TEAL, 2),
        hashed("far", TEAL, 9),
        hashed("same", RED, 0, prompt="another"),
    )
    with opener(tmp_path) as opening:
        before, after = opening.open(str(one)), opening.open(str(other))
        chosen = most_visible(compare(before.table, after.table).changes, before, after, 9)
    assert [change.name for change in chosen] == ["far", "near", "gone", "same"]
