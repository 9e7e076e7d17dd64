"""The table of a manifest that a comparison reads."""

from entries import an_entry

from imagemake.release.manifest import parquet
from imagemake.release.manifest.chunks import chunk
from imagemake.release.manifest.tables import write_manifest
from imagemake.versions.diff.table import read_table


def test_a_manifest_of_several_row_groups_is_read_like_its_csv(tmp_path, monkeypatch):
    monkeypatch.setattr(chunk, "MOST", 2)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 2)
    reasons = [(), ("blurry: 1",), ("blurry: 2", "dark: 3"), (), ("dark: 4",)]
    entries = [an_entry(f"mug-{number}", reasons=one) for number, one in enumerate(reasons)]
    paths = tmp_path / "manifest.csv", tmp_path / "manifest.parquet"
    write_manifest(entries, *paths)
    from_csv, from_parquet = (read_table(path.read_bytes(), path.name) for path in paths)
    assert from_parquet["reasons"].to_pylist() == ["", "blurry: 1", "blurry: 2; dark: 3", "", "dark: 4"]
    assert from_parquet.select(from_csv.column_names).to_pylist() == from_csv.to_pylist()


def test_a_manifest_without_rows_is_read(tmp_path):
    write_manifest([], tmp_path / "manifest.csv", tmp_path / "manifest.parquet")
    assert read_table((tmp_path / "manifest.parquet").read_bytes(), "manifest.parquet").num_rows == 0
