"""A manifest is read a part at a time, and says what the table for people says."""

from __future__ import annotations

import pytest
from entries import an_entry, without_image
from pyarrow import parquet

from imagemake.release.manifest import reading
from imagemake.release.manifest.reading import released_files, rows_of, text_row
from imagemake.release.manifest.tables import read_manifest, write_manifest


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    """A manifest of seven rows, in several row groups and read in several parts."""
    monkeypatch.setattr(reading, "AT_ONCE", 2)
    entries = [an_entry(f"mug-{n}", generated_at="2026-05-04T09:00:04.120Z", digest=f"{n}" * 64) for n in range(6)]
    entries.append(without_image("none", "review", reasons=("a", "b")))
    write_manifest(entries, tmp_path / "manifest.csv", tmp_path / "manifest.parquet")
    path = tmp_path / "manifest.parquet"
    parquet.write_table(parquet.read_table(path), path, row_group_size=3)
    return path


def test_each_row_as_text_is_that_of_the_table_for_people(manifest):
    rows = read_manifest(manifest.with_suffix(".csv"))
    assert [text_row(manifest, number) for number in range(len(rows))] == rows
    with pytest.raises(IndexError):
        text_row(manifest, len(rows))


def test_only_the_columns_that_are_asked_for_are_read_and_others_are_none(manifest):
    rows = list(rows_of(manifest, ("name", "cost_usd", "nosuch")))
    assert rows[0] == {"name": "mug-0", "cost_usd": 0.04, "nosuch": None}
    assert len(rows) == 7
    assert "prompt" in next(rows_of(manifest))


def test_the_released_files_are_those_of_images_that_are_there(manifest):
    assert list(released_files(manifest)) == [(f"images/mug-{n}.jpg", f"{n}" * 64) for n in range(6)]
