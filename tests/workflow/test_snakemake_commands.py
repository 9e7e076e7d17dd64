"""Snakemake's own commands beside a run: they start nothing, and show what they should."""

import zipfile

import pytest


def test_the_report_shows_contact_sheet_metrics_and_manifest_with_their_captions(built):
    built.snakemake("--report", "report.zip")
    with zipfile.ZipFile(built.folder / "report.zip") as report:
        names = {name.rpartition("/")[2] for name in report.namelist()}
        page = report.read("report/report.html").decode()
    assert {"index.html", "metrics.json", "manifest.csv"} <= names
    assert "Whole campaign" in page
    assert "every image with its verdict" in page
    assert built.calls() == 4  # as before


@pytest.mark.parametrize("command", ["--summary", "--dag", "--list-untracked"])
def test_commands_that_only_look_make_no_call_and_take_no_lock(built, command):
    done = built.snakemake(command)
    assert "Traceback" not in done.stderr
    assert built.calls() == 4  # as before
