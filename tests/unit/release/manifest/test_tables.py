"""The manifest: one row a request, safe to open, typed, and the same bytes for the same entries."""

import csv
import json
import re
from dataclasses import fields

import pandas as pd
import pyarrow.parquet as pq
import pytest
from entries import an_attempt, an_entry, without_image
from jsonschema import Draft202012Validator

from imagemake.core.fingerprint import fingerprint
from imagemake.release.manifest import parquet
from imagemake.release.manifest.chunks import chunk
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.row import COLUMNS, GROUPS, MANIFEST_VERSION, OF_OUTPUT, ManifestRow, OutputFile
from imagemake.release.manifest.schema import manifest_schema
from imagemake.release.manifest.tables import (
    columns_of,
    files_in,
    found_in,
    read_manifest,
    write_manifest,
    write_tables,
)
from imagemake.stages.validate import earlier_releases
from imagemake.versions import changes
from imagemake.versions.diff import table as diff_table

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d")


@pytest.fixture
def written(tmp_path):
    def write(*entries):
        paths = (tmp_path / "manifest.csv", tmp_path / "manifest.parquet")
        write_manifest(entries, *paths)
        return paths

    return write


def test_each_request_has_a_row_and_rows_are_sorted_by_name(written):
    csv_path, parquet_path = written(an_entry("b"), without_image("c", "refused"), an_entry("a"))
    assert [row["name"] for row in read_manifest(csv_path)] == ["a", "b", "c"]
    assert list(pd.read_parquet(parquet_path)["name"]) == ["a", "b", "c"]


def test_the_order_of_entries_and_of_their_values_moves_no_byte(written):
    first, second = an_entry("a", variables={"x": "1", "y": "2"}), an_entry("b", measures={"m": 1.5, "n": 2})
    before = [path.read_bytes() for path in written(first, second)]
    turned = an_entry("a", variables={"y": "2", "x": "1"}), an_entry("b", measures={"n": 2, "m": 1.5})
    assert [path.read_bytes() for path in written(*reversed(turned))] == before


def test_hostile_text_opens_as_text_and_is_read_back_unchanged(written):
    hostile = '=HYPERLINK("https://evil.example","x")\r\n@second;=third'
    entry = an_entry(prompt=hostile, variables={"=color": hostile}, reasons=("-1: no", "@x"), verdict="review")
    csv_path, parquet_path = written(entry)
    cells = pd.read_csv(csv_path, dtype=str, keep_default_na=False).iloc[0]
    assert cells["prompt"].startswith("'=")
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+", "-", "\t", "\r"))]
    row = read_manifest(csv_path)[0]
    assert row["prompt"] == row["variable.=color"] == hostile
    assert row["reasons"] == "-1: no; @x"
    assert pd.read_parquet(parquet_path)["prompt"][0] == hostile


def test_numbers_stay_numbers_in_the_csv(written):
    csv_path, _ = written(an_entry(measures={"tone.skew": -3.5}, parameters={"n": -1, "sharp": True}))
    frame = pd.read_csv(csv_path)
    assert frame["measure.tone.skew"][0] == -3.5
    assert frame["parameter.n"][0] == -1
    assert frame["parameter.sharp"].dtype == bool
    assert b",-3.5" in csv_path.read_bytes()


def test_the_csv_shows_umlauts_in_a_spreadsheet(written):
    csv_path, _ = written(an_entry(variables={"color": "grün"}))
    assert csv_path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert read_manifest(csv_path)[0]["variable.color"] == "grün"


def test_pandas_reads_types_from_the_parquet_also_where_cells_are_empty(written):
    _, path = written(an_entry("a"), without_image("b", "refused", reasons=("moderation: blocked", "again")))
    frame = pd.read_parquet(path)
    assert str(frame["width_px"].dtype) == "Int64"
    assert frame["width_px"][0] == 1024
    assert frame["width_px"][1] is pd.NA
    assert frame["generated_at"][0] == pd.Timestamp("2026-05-04T09:00:04.12", tz="UTC")
    assert list(frame["reasons"][1]) == ["moderation: blocked", "again"]
    assert frame["cost_usd"].isna().tolist() == [False, True]


def test_a_measure_keeps_its_type_whether_or_not_its_values_are_whole(written):
    def column_type(value):
        _, path = written(an_entry(measures={"m": value}))
        return pq.read_schema(path).field("measure.m").type

    assert column_type(1) == column_type(1.5) == "double"
    assert column_type("f0f0") == "string"


def test_a_column_of_numbers_and_text_is_text(written):
    _, path = written(an_entry("a", parameters={"quality": 3}), an_entry("b", parameters={"quality": "high"}))
    assert list(pd.read_parquet(path)["parameter.quality"]) == ["3", "high"]


def test_earlier_attempts_are_kept_as_json_however_long(written):
    past = an_attempt(0, prompt="long " * 40_000)
    csv_path, parquet_path = written(an_entry(history=(past,)))
    assert json.loads(read_manifest(csv_path)[0]["history"]) == [past]
    assert json.loads(pd.read_parquet(parquet_path)["history"][0]) == [past]


def test_an_empty_release_has_typed_columns_and_no_row(written):
    csv_path, parquet_path = written()
    assert read_manifest(csv_path) == []
    assert pq.read_schema(parquet_path).field("seed").type == "int64"


@pytest.mark.parametrize(
    ("costs", "made", "spent"),
    [((0.04, 0.04), 0.02, 0.1), ((0.04, None), 0.02, None), ((), None, None), ((), 0.0, 0.0)],
)
def test_what_was_spent_counts_all_attempts_and_is_unknown_where_one_is(costs, made, spent):
    history = tuple(an_attempt(number, cost_usd=cost) for number, cost in enumerate(costs))
    assert an_entry(cost_usd=made, history=history).spent_usd == spent


def test_nothing_was_spent_on_what_was_never_asked_for():
    assert without_image("a", "pending", tries=0).spent_usd == 0


def test_reference_images_are_told_with_path_and_content(written):
    sent = an_entry(
        references=("=refs/a.png", "refs/b.png"),
        reference_digests=("a" * 64, "b" * 64),
        mask="m.png",
        mask_digest="c" * 64,
    )
    csv_path, parquet_path = written(sent, an_entry("none"))
    cells, plain = read_manifest(csv_path)
    assert cells["references"] == "=refs/a.png; refs/b.png"
    assert cells["reference_digests"] == f"{'a' * 64}; {'b' * 64}"
    assert (cells["mask"], cells["mask_digest"]) == ("m.png", "c" * 64)
    assert {plain[name] for name in ("references", "reference_digests", "mask", "mask_digest")} == {""}
    row, without = pq.read_table(parquet_path).to_pylist()
    assert (row["references"], without["references"], without["mask"]) == (["=refs/a.png", "refs/b.png"], [], None)


PNG = OutputFile(file="images/a.png", width_px=8, height_px=8, bytes=99, digest="d" * 64, finished_digest="e" * 64)
HOSTILE = ("=1+1", "@x", "+1", "-1", "\t=1", "a;=1", "a\n=1", "'=1", "\uff1d1", "a,b", 'a"b')


def rows_of(parquet_path):
    rows = pq.read_table(parquet_path).to_pylist()
    return json.loads(json.dumps(rows, default=lambda time: time.isoformat()))


def test_every_row_fits_the_schema_that_is_written_beside_it_and_the_general_one(tmp_path):
    entries = [
        an_entry("a", outputs={"web": PNG}, history=(an_attempt(0),), measures={"m": 1, "t": "x", "b": True}),
        without_image("b", "refused", variables={}, parameters={}, reasons=("refused: no",)),
    ]
    paths = [tmp_path / name for name in ("m.csv", "m.parquet", "m.json")]
    write_manifest(entries, *paths[:2], outputs=["web", "cut"], schema_path=paths[2])
    own, rows = json.loads(paths[2].read_bytes()), rows_of(paths[1])
    for schema in (own, manifest_schema()):
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(schema)
        assert [error.message for row in rows for error in validator.iter_errors(row)] == []
        for wrong in ({"verdict": "fine"}, {"width_px": "8"}, {"digest": "d"}, {"name": None}, {"other": 1}):
            assert list(validator.iter_errors({**rows[0], **wrong})), wrong
    assert list(own["properties"]) == list(read_manifest(paths[0])[0]) == list(rows[0])
    assert own["properties"]["output.web.width_px"]["unit"] == "px"
    assert own["version"] == MANIFEST_VERSION


def test_every_output_has_typed_columns_whether_or_not_an_image_has_it(tmp_path):
    paths = (tmp_path / "m.csv", tmp_path / "m.parquet")
    write_manifest([an_entry("a", outputs={"web": PNG}), an_entry("b")], *paths, outputs=["web", "cut"])
    schema = pq.read_schema(paths[1])
    for label in ("web", "cut"):
        assert [str(schema.field(f"output.{label}.{name}").type) for name in ("file", "width_px")] == [
            "string",
            "int64",
        ]
    first, second = read_manifest(paths[0])
    assert files_in(first)["web"]["file"] == "images/a.png"
    assert list(files_in(first)) == ["main", "web"]
    assert list(files_in(second)) == ["main"]


def test_the_parquet_file_says_which_schema_it_follows_and_what_its_columns_mean(written):
    _, path = written(an_entry())
    schema = pq.read_schema(path)
    assert schema.metadata[b"imagemake.manifest_schema"].decode() == MANIFEST_VERSION
    assert schema.field("width_px").metadata[b"unit"] == b"px"
    assert all(b"description" in field.metadata for field in schema)


def test_every_fact_of_an_entry_has_its_column():
    assert {*COLUMNS, *GROUPS, "outputs", "closed_at", "by_people"} == {field.name for field in fields(ManifestRow)}
    assert set(OF_OUTPUT) < set(COLUMNS)


def test_what_later_releases_read_and_compare_are_columns():
    names = {*diff_table.FIXED, *earlier_releases.COLUMNS, *earlier_releases.OF_THE_FILE, *changes.COLUMNS}
    of_measures = {name for name in names if name.startswith(f"{GROUPS['measures'].prefix}.")}
    assert names - of_measures <= set(COLUMNS)


def test_a_changed_column_needs_another_version():
    # A change here: raise MANIFEST_VERSION, as said there, and write the new digest down.
    known = {"2.0": "7c1ae2e30d47ffc1a5183a7c1f7882f7ae5cf180274bfad4a86bf542b0ca2bab"}
    facts = {name: [column.kind, column.unit, column.may_be_empty] for name, column in COLUMNS.items()}
    assert known[MANIFEST_VERSION] == fingerprint([facts, sorted(group.prefix for group in GROUPS.values()), OF_OUTPUT])


def test_no_name_of_a_column_runs_in_a_spreadsheet_and_all_are_read_back(written):
    entry = an_entry(variables=dict.fromkeys(HOSTILE, "x"), parameters={"=p": 1}, measures={"@m": 1.5})
    csv_path, parquet_path = written(entry)
    header = next(csv.reader(csv_path.read_text(encoding="utf-8-sig").splitlines(keepends=True)))
    for cell in header:  # Excel can end a cell at these, also inside of quotes
        assert not any(part.lstrip(" ").startswith(FORMULA) for part in re.split(r"[;\r\n]", cell)), cell
    names = [f"variable.{name}" for name in HOSTILE]
    assert set(names) <= set(read_manifest(csv_path)[0])
    assert set(names) <= set(pq.read_schema(parquet_path).names)


def test_a_changed_row_encodes_its_row_group_alone_and_gives_the_bytes_of_a_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr(chunk, "MOST", 2)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 4)
    pieces_folder = tmp_path / "pieces"

    def write(name, entries, folder=None):
        chunks, pieces = list(chunk.cut(entries)), Pieces(folder)
        columns = columns_of([found_in(entries)], ())
        write_tables(chunks, columns, pieces, tmp_path / f"{name}.csv", tmp_path / f"{name}.parquet")
        pieces.sweep()
        return (tmp_path / f"{name}.parquet").read_bytes()

    def encoded():
        return set(pieces_folder.glob("row_group/*"))

    entries = [*map(an_entry, "abcdefghij")]
    write("before", entries, pieces_folder)
    before = encoded()
    entries[5] = an_entry("f", prompt="another")
    changed = write("changed", entries, pieces_folder)
    assert len(before) == 3
    assert len(encoded() - before) == 1
    assert changed == write("whole", entries)
    assert pd.read_parquet(tmp_path / "changed.parquet")["prompt"].tolist() == [one.prompt for one in entries]


def test_a_parquet_file_of_several_row_groups_has_the_same_rows_and_types(tmp_path, monkeypatch):
    entries = [*map(an_entry, "abcd"), without_image("e", "refused")]
    paths = [tmp_path / f"{name}.parquet" for name in ("one", "many")]
    for path, rows in zip(paths, (10_000, 2), strict=True):
        monkeypatch.setattr(chunk, "MOST", rows)
        monkeypatch.setattr(parquet, "GROUP_ROWS", rows)
        write_manifest(entries, tmp_path / "manifest.csv", path)
    one, many = map(pd.read_parquet, paths)
    assert [pq.ParquetFile(path).num_row_groups for path in paths] == [1, 3]
    pd.testing.assert_frame_equal(one, many)
