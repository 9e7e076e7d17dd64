"""Measures that travel with the store: all of what `work/` tells, once, in the same bytes everywhere."""

from __future__ import annotations

import orjson
import pytest

from imagemake.plan.inventory import Inventory
from imagemake.store.items import FailureReason, ItemFailure
from imagemake.store.kept_measures import keep_measures
from imagemake.store.store import Store
from imagemake.store.tables import write_rows

ONE, TWO, KEY = "1" * 64, "2" * 64, "f" * 64
TOO_SMALL = ItemFailure(FailureReason.POSTPROCESS, "too small")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def work(tmp_path):
    write(tmp_path / "work" / "validated" / "a.jsonl", {"raw": raw(ONE), "measures": {"tone@1": {"contrast": 0.5}}})
    write(tmp_path / "work" / "validated" / "b.jsonl", {"raw": raw(TWO), "measures": {"tone@1": {"contrast": 0.25}}})
    failed = {"raw": raw(TWO), "output_key": KEY, "failure": {"reason": "postprocess", "message": "too small"}}
    done = {"raw": raw(ONE), "output_key": "e" * 64, "finished": {"digest": "d" * 64, "extension": "jpg"}}
    further = {"web": {"key": "b" * 64, "finished": {}}, "cut": {"key": "c" * 64, "failure": failed["failure"]}}
    write(tmp_path / "work" / "postprocessed" / "a.jsonl", {**done, "further": further}, failed)
    return tmp_path / "work"


def raw(digest):
    return {"digest": digest, "extension": "png"}


def write(path, *rows):
    write_rows(path, b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))


def test_an_inventory_without_work_knows_the_same(store, work, tmp_path):
    with_work = Inventory(store, work)
    keep_measures(store, work)
    without = Inventory(store, tmp_path / "no-work")
    for digest in (ONE, "b" * 64, "c" * 64):
        assert without.measured(digest) == with_work.measured(digest)
    assert without.measured(ONE) == {"tone@1": {"contrast": 0.5}}
    assert without.failed_outputs == with_work.failed_outputs == dict.fromkeys((KEY, "c" * 64), TOO_SMALL)
    assert without.postprocessed_before == with_work.postprocessed_before == {ONE: {"main", "web"}}


def test_what_is_kept_already_is_not_written_again_and_only_what_is_new_is(store, work):
    assert keep_measures(store, work) == 4
    assert keep_measures(store, work) == 0
    write(work / "validated" / "c.jsonl", {"raw": raw(ONE), "measures": {"tone@1": {"contrast": 0.5}, "noise@1": {}}})
    assert keep_measures(store, work) == 1
    assert len(list(store.measures_folder.iterdir())) == 2
    newest = max(store.measures_folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert orjson.loads(newest.read_bytes()) == {"raw": {"digest": ONE}, "measures": {"noise@1": {}}}


def test_equal_work_gives_equal_files_whatever_its_tables_are_called(store, work, tmp_path):
    keep_measures(store, work)
    (work / "validated" / "b.jsonl").rename(work / "validated" / "0.jsonl")
    other = Store(tmp_path / "other")
    keep_measures(other, work)
    files = [{path.name: path.read_bytes() for path in one.measures_folder.iterdir()} for one in (store, other)]
    assert files[0] == files[1]


def test_a_damaged_file_is_told_and_ignored_and_kept_again(store, work, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("IMAGEMAKE_TOLD", raising=False)
    keep_measures(store, work)
    (kept,) = store.measures_folder.iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"0.25", b"9.25"))
    assert Inventory(store, tmp_path / "no-work").measured(ONE) == {}
    assert f"{kept} is damaged and ignored; its images are measured again." in capsys.readouterr().err
    assert keep_measures(store, work) == 4
    assert Inventory(store, tmp_path / "no-work").measured(ONE) == {"tone@1": {"contrast": 0.5}}
