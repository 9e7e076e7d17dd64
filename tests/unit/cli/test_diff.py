"""`imagemake diff` as it is typed: its table, its formats, its exit status, and mistakes."""

from __future__ import annotations

import csv
import io
import json

import pytest
from release_folders import an_image, with_image, write_release

from imagemake.cli.main import main

RED, TEAL = an_image("red"), an_image("teal")
HOSTILE = "\x1b[2J=HYPERLINK(1)\u202e"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two releases: one image changed, one was removed, one was added, one stayed."""
    monkeypatch.chdir(tmp_path)
    kept = with_image("kept", RED)
    write_release(tmp_path / "a", [kept, with_image("mug", RED), with_image("gone", RED)])
    changed = with_image("mug", TEAL, prompt="Product photo of a teal cup", key="9" * 64, cost_usd=0.07)
    write_release(tmp_path / "b", [kept, changed, with_image("new", RED, verdict="review")])
    return tmp_path


def diff(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["diff", *arguments])
    told = capsys.readouterr()
    return ended.value.code or 0, told.out, told.err


def test_the_table_tells_names_reasons_words_and_numbers(folders, capsys):
    status, told, _ = diff(capsys, "a", "b")
    assert status == 0
    for line in (
        "a → b",
        "1 changed, 1 added, 1 removed, 1 unchanged",
        "reasons: prompt 1",
        "  mug: prompt",
        "      prompt: Product photo of a [-mug-]{+teal cup+}",
        "  new: review",
        "  gone: accepted",
        "New attempts cost 0.1100 USD (2 new attempts).",
    ):
        assert line in told, line
    assert "\x1b" not in told


def test_the_exit_status_tells_a_difference_only_where_it_is_asked_for(folders, capsys):
    assert diff(capsys, "a", "b", "--exit-code")[0] == 1
    assert diff(capsys, "a", "a", "--exit-code")[0] == 0
    assert diff(capsys, "a", "b", "--exit-code", "--names", "k*")[0] == 0
    assert diff(capsys, "a", "nowhere", "--exit-code")[0] == 2


def test_json_holds_all_for_programs(folders, capsys):
    _, told, _ = diff(capsys, "a", "b", "--format", "json", "--most", "0")
    found = json.loads(told)
    assert found["counts"] == {"changed": 1, "added": 1, "removed": 1, "renamed": 0, "unchanged": 1}
    assert found["new"] == {"attempts": 2, "cost_usd": 0.11, "cost_unknown": 0}
    assert [found[side]["numbers"]["success_rate"] for side in ("before", "after")] == [1.0, 1.0]
    (changed,) = [change for change in found["changes"] if change["change"] == "changed"]
    assert changed["reasons"] == ["prompt"]
    assert changed["differences"]["prompt"] == ["Product photo of a mug", "Product photo of a teal cup"]
    assert (changed["verdict_before"], changed["verdict_after"]) == ("accepted", "accepted")
    nothing = json.loads(diff(capsys, "a", "a", "--format", "json")[1])
    assert nothing["changes"] == []


def test_csv_is_safe_in_a_spreadsheet(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_release(tmp_path / "a", [with_image("mug", RED)])
    write_release(tmp_path / "b", [with_image("mug", RED, prompt="=1+1", variables={"color": "@x"})])
    _, told, _ = diff(capsys, "a", "b", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(told))
    assert (row["name"], row["reasons"]) == ("mug", "prompt; catalog")
    assert (row["prompt.after"], row["variable.color.after"]) == ("'=1+1", "'@x")


def test_no_text_of_a_manifest_reaches_the_terminal_as_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_release(tmp_path / "a", [with_image("mug", RED)])
    hostile = {
        "prompt": HOSTILE,
        "variables": {"color": HOSTILE, HOSTILE: "x"},
        "reasons": (HOSTILE,),
    }
    write_release(tmp_path / "b", [with_image("mug", RED, **hostile)])
    for form in ("table", "json"):
        _, told, _ = diff(capsys, "a", "b", "--format", form)
        assert "\x1b" not in told
        assert "\u202e" not in told


def test_many_changes_are_cut_in_the_table_and_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_release(tmp_path / "a", [])
    write_release(tmp_path / "b", [with_image(f"n{number}", RED) for number in range(9)])
    _, told, _ = diff(capsys, "a", "b", "--most", "2")
    assert "added (9)" in told
    assert "… and 7 more" in told
    assert "n2" not in told


def test_a_page_is_written_where_it_is_asked_for_and_nowhere_else(folders, capsys):
    diff(capsys, "a", "b")
    assert not (folders / "work").exists()
    _, _, told = diff(capsys, "./a", "./b", "--html")
    assert (folders / "work/diff/a..b.html").is_file()
    assert "work/diff/a..b.html" in told
    diff(capsys, "a", "b", "--html", "elsewhere/page.html")
    assert (folders / "elsewhere/page.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a", "nowhere"], "this is not a folder with a manifest, and the project is not in a git repository"),
        (["a"], "it contains no manifest.parquet"),
        (["--html", "a", "b"], "--html last"),
        (["a", "b", "--html", "a/manifest.csv/x.html"], "Name another file with --html"),
        (["a", "broken"], "broken/manifest.parquet: invalid manifest"),
    ],
)
def test_mistakes_are_told_without_a_traceback(folders, capsys, arguments, told):
    (folders / "broken").mkdir()
    (folders / "broken/manifest.parquet").write_bytes(b"PAR1 and so on")
    status, out, error = diff(capsys, *arguments)
    assert (status, out) == (2, "")
    assert told in error
    assert "Traceback" not in error


def test_ctrl_c_ends_it_and_leaves_no_page(folders, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("imagemake.versions.diff.image_changes.decode_image", interrupted)
    status, _, told = diff(capsys, "a", "b", "--html")
    assert (status, "Nothing was written" in told) == (130, True)
    assert not (folders / "work").exists()
