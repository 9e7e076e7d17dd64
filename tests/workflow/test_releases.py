"""Releases without DVC: refusals, records, audits, and detection of tampering."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import pytest

from imagemake.cli.main import main
from imagemake.core.hashing import file_sha256
from imagemake.versions.git import Git

RECORD = Path("releases/v1/release.json")
NOTE = "Dark, but that is the lamp."


@pytest.fixture
def shop(preview, monkeypatch):
    """A project whose darkest images await review. Tests run in its folder."""
    web = {"steps": [{"resize": {"width_px": 32}}], "format": "webp"}
    made = preview(
        validation={"checks": {"tone.contrast": {"review": {"min": 0.2}}}},
        postprocess={"output": {"format": "jpeg"}, "more_outputs": {"web": web}},
        release={"exports": {"train": {"format": "huggingface"}}},
    )
    monkeypatch.chdir(made.folder)
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "ann")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "ann@example.org")
    monkeypatch.setenv("HOME", str(made.folder.parent))
    return made


@pytest.fixture
def imagemake(capsys):
    """Run an imagemake command, and return its output."""

    def run(*arguments, expect=0):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        code = ended.value.code
        assert (code if isinstance(code, int) else 1) == expect, (code, said)
        return said.out + said.err + (code if isinstance(code, str) else "")

    return run


def git(*command):
    return subprocess.run(["git", *command], check=True, capture_output=True, text=True).stdout


def approve(*keys):
    with Path("config/reviews.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "decision", "note", "reviewer", "time"])
        writer.writerows([key, "approve", NOTE, "Mia", "2026-11-25T09:00:00Z"] for key in keys)


def test_a_release_is_refused_with_reasons_recorded_once_audited_and_proved(shop, imagemake, monkeypatch):
    # A refusal lists all reasons.
    said = imagemake("release", "v 1", expect=2)
    assert "'v 1' is not a valid release name" in said
    assert "not in a git repository" in said
    assert "4 of 4 images are not built yet" in said
    git("init", "-q")
    Path(".gitignore").write_text("/work/\n/store/\n/logs/\n/.snakemake/\n/results/images/\n/results/exports/\n")
    shop.snakemake()
    git("add", "-A")
    git("commit", "-q", "-m", "begin")
    waiting = [row for row in shop.manifest().values() if row["verdict"] == "review"]
    assert waiting
    assert "await review" in imagemake("release", "v1", expect=2)
    approve(*(row["key"] for row in waiting))
    said = imagemake("release", "v1", expect=2)
    assert "not built yet" in said, "an approved image is not finished yet"
    assert "not committed: config/reviews.csv" in said
    shop.snakemake()
    git("add", "-A")
    git("commit", "-q", "-m", "approved")

    # A dry run writes nothing. A release writes one commit and a tag. The same release again does nothing.
    assert "v1 would be released: 4 images: 4 new, 0 changed, 0 removed" in imagemake("release", "v1", "--dry-run")
    assert not Path("releases").exists()
    assert git("tag") == ""
    assert "v1 is released: 4 images: 4 new" in imagemake("release", "v1", "--note", "The first four")
    assert git("status", "--porcelain") == ""
    assert git("tag").split() == ["v1"]
    commits = git("rev-list", "--count", "HEAD")
    assert "already released, and the project has not changed since" in imagemake(
        "release", "v1", "--note", "Another note"
    )
    assert b"The first four" in RECORD.read_bytes(), "a release does not change, nor does its note"
    assert git("rev-list", "--count", "HEAD") == commits

    # A changed project needs a new release. Interrupted before the tag, it is unfinished until it runs again.
    shop.edit_row(3, product="candle")
    shop.snakemake()
    assert "not committed: config/catalog.csv" in imagemake("release", "v2", expect=2)
    git("commit", "-q", "-a", "-m", "candle")
    assert "'v1' is already released, and the project has changed" in imagemake("release", "v1", expect=2)
    with monkeypatch.context() as killed:
        killed.setattr(Git, "tag", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(SystemExit, match="130"):
            main(["release", "v2"])
    assert "this release has no git tag 'v2'" in imagemake("release", "v3", expect=2)
    commits = git("rev-list", "--count", "HEAD")
    assert "v2 is released: 4 images: 0 new, 1 changed, 0 removed" in imagemake("release", "v2")
    assert git("rev-list", "--count", "HEAD") == commits, "what was committed was not committed again"
    told = Path("releases/CHANGES.md").read_text()
    assert told.index("## v2 (") < told.index("## v1 (") < told.index("The first four")
    with Path("releases/history.csv").open() as file:
        assert [(row["release"], row["changed"]) for row in csv.DictReader(file)] == [("v1", "0"), ("v2", "1")]

    # The audit describes each release at its time.
    rows = {row["name"]: row for row in json.loads(imagemake("audit", "v1", "--format", "json"))}
    looked_at, other = rows[waiting[0]["name"]], next(row for row in rows.values() if row["approved_by"] == "checks")
    told = (looked_at["approved_by"], looked_at["note"], looked_at["approved_at"])
    assert told == ("Mia", NOTE, "2026-11-25T09:00:00Z")
    assert any(check.startswith("tone.contrast = 0.") and "review < 0.2" in check for check in looked_at["checks"])
    assert other["calls"][0]["outcome"] == "made"
    assert (other["cost_usd"], other["catalog_row"]) == (0.0, int(shop.manifest()[other["name"]]["catalog_row"]))
    (now,) = csv.DictReader(imagemake("audit", "--name", "S003*", "--format", "csv").splitlines())
    assert "candle" in now["prompt"]
    assert "chair" in rows["S002_gold"]["prompt"]
    assert "Known releases are v1, v2" in imagemake("audit", "v9", expect=2)

    # Verification finds no change, and names each change that is made.
    assert "2 releases, no change" in imagemake("verify")
    journal = sorted(Path("store/journal").glob("*/*.jsonl"))[0]
    web = Path("results/images/S003_red-web.webp")
    raw = next(Path("store/raw").glob(f"*/*/{looked_at['key']}.*"))
    parquet, exports = Path("releases/v1/manifest.parquet"), Path("releases/v2/exports.sha256")
    released = Path("results/images/S003_red.jpg")
    listed = dict(reversed(line.split("  ")) for line in exports.read_text().splitlines())
    assert listed["exports/train/S003_red.jpg"] == file_sha256(released)
    assert len(listed) == 5, "four images and metadata.jsonl"
    subprocess.run(["sha256sum", "--check", "--quiet", f"../{exports}"], cwd="results", check=True)
    texts = Path("results/exports/train/metadata.jsonl")
    reviews = Path("config/reviews.csv")
    for path, change, told in (
        (journal, lambda data: data.replace(b"0.0", b"0.1", 1), f"CHANGED: v1, {journal}: its first "),
        (journal, lambda data: data[:-10], f"CHANGED: v2, {journal}: the file was truncated"),
        (reviews, lambda data: data.replace(b"Mia", b"Eve", 1), "a decision was changed or removed: approve by Mia"),
        (parquet, lambda data: data + b" ", f"CHANGED: v1, {parquet}: its content differs from the record"),
        (RECORD, lambda data: data.replace(b"first", b"other"), "its digest differs from the one in the record of v2"),
        (RECORD, lambda data: data.replace(b"first", b"other"), "it differs from the file in the git tag"),
        (RECORD, lambda _: b"{}", f"CHANGED: v1, {RECORD}: the record is invalid"),
        (released, lambda data: data + b" ", f"CHANGED: v2, {released}: its content differs from the release"),
        (web, lambda data: data + b" ", f"CHANGED: v2, {web}: its content differs from the release"),
        (texts, lambda data: data + b" ", f"CHANGED: v2, {texts}: its content differs from the release"),
        (exports, lambda data: data[:-1], f"CHANGED: v2, {exports}: its content differs from the record"),
        (raw, lambda _: None, "missing: v1, store/raw: 1 of 4 raw images"),
        (RECORD, lambda _: None, f"CHANGED: v1, {RECORD}: the record is missing, but v2 follows it"),
    ):
        data = path.read_bytes()
        path.unlink()
        if (changed := change(data)) is not None:
            path.write_bytes(changed)
        assert told in imagemake("verify", "--releases", expect=int("CHANGED" in told or path is not raw))
        path.unlink(missing_ok=True)
        path.write_bytes(data)
    with journal.open("ab") as file:
        file.write(b"{}\n")
    assert "2 releases, no change" in imagemake("verify", "--releases"), "a journal may grow"
