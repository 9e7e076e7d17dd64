"""The manifest: one row a request, safe to open, typed, and the same bytes for the same entries."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest
from entries import an_attempt, an_entry, without_picture

from imagemake.release.manifest import read_manifest, write_manifest


@pytest.fixture
def written(tmp_path):
    def write(*entries):
        paths = (tmp_path / "manifest.csv", tmp_path / "manifest.parquet")
        write_manifest(entries, *paths)
        return paths

    return write


def test_each_request_has_a_row_and_rows_are_sorted_by_name(written):
    csv_path, parquet_path = written(an_entry("b"), without_picture("c", "refused"), an_entry("a"))
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
    _, path = written(an_entry("a"), without_picture("b", "refused", reasons=("moderation: blocked", "again")))
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
    assert without_picture("a", "pending", tries=0).spent_usd == 0


def test_reference_pictures_are_told_with_path_and_content(written):
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
