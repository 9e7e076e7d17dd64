"""Chunks: a change of some rows gives the chunks of all rows, and reads only those that it touches."""

import random
from dataclasses import replace

import numpy as np
import pytest
from entries import an_attempt, an_entry

from imagemake.plan.requests.names import folded
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.sections import short
from imagemake.release.manifest.chunks import chunk
from imagemake.release.manifest.chunks.chunk import cut
from imagemake.release.manifest.chunks.kept import Before, keep, kept, sweep
from imagemake.release.manifest.chunks.order import order_of
from imagemake.release.manifest.chunks.sorted_rows import SortedRows
from imagemake.release.manifest.row import OutputFile


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(chunk, "MEAN", 4)
    monkeypatch.setattr(chunk, "MOST", 6)


def in_order(rows):
    return sorted(rows, key=lambda row: order_of(row.name))


def shortened(rows):
    return np.array([short(folded(row.name)) for row in rows], np.uint64)


@pytest.mark.parametrize("seed", range(40))
def test_some_changes_of_rows_give_the_chunks_of_all_rows(tmp_path, seed):
    chance = random.Random(seed)
    numbers = chance.sample(range(500), chance.randrange(1, 60))
    rows = [an_entry(f"mug-{number}", catalog_row=number) for number in numbers]
    before = list(cut(in_order(rows), tmp_path))
    standing = [row for row in rows if chance.random() < 0.9]
    gone = [row for row in rows if row not in standing]
    new = [replace(row, prompt="another") for row in gone if chance.random() < 0.5]
    new += [an_entry(f"pot-{number}") for number in range(chance.randrange(4))]
    new += [an_entry(f"mug-{number}") for number in range(500, 500 + chance.randrange(4))]
    kept_now = kept(keep(before, tmp_path), tmp_path)
    moved = {row.catalog_row: row.catalog_row + 500 for row in standing if chance.random() < 0.1}
    found = list(Before.of(kept_now, shortened(standing), moved).with_rows(in_order(new)))
    standing = [replace(row, catalog_row=moved.get(row.catalog_row, row.catalog_row)) for row in standing]
    assert found == [
        replace_known(one, other) for one, other in zip(cut(in_order([*standing, *new])), found, strict=True)
    ]
    assert [row for one in found for row in one.rows()] == in_order([*standing, *new])


def replace_known(one, other):
    return replace(one, folder=other.folder, known=other.known)


@pytest.fixture
def mugs(tmp_path):
    """The rows of a release, and how to find its chunks."""
    rows = in_order(an_entry(f"mug-{number}", catalog_row=number) for number in range(200))
    digest = keep(list(cut(rows, tmp_path)), tmp_path)
    return rows, lambda: kept(digest, tmp_path)


def test_a_change_of_one_row_reads_its_chunk_only_and_writes_it(mugs, tmp_path):
    rows, chunks = mugs
    place = next(n for n in range(100, 200) if not {rows[n].name, rows[n + 1].name} & {one.first for one in chunks()})
    before = Before.of(chunks(), shortened([*rows[:place], *rows[place + 1 :]]), {})
    edited = replace(rows[place], prompt="another")
    found = list(before.with_rows([edited]))
    assert len(found) > 20
    assert [edited in one.rows() for one in found if one.is_read] == [True]
    assert not any(one.is_read for one in before.chunks if one not in found), "memory holds few chunks at a time"
    again = kept(keep(found, tmp_path), tmp_path)
    assert [row for one in again for row in one.rows()] == [*rows[:place], edited, *rows[place + 1 :]]


def test_a_row_that_moved_changes_its_chunk_only(mugs):
    rows, chunks = mugs
    found = list(Before.of(chunks(), shortened(rows), {rows[100].catalog_row: 700}).with_rows([]))
    assert [one.numbers for one in found] != [one.numbers for one in chunks()]
    assert sum(one.is_read for one in found) == 1


def test_rows_that_stand_are_told_from_those_that_do_not(mugs):
    rows, chunks = mugs
    standing = [*rows[:100], *rows[101:]]
    before = Before.of(chunks(), shortened(standing), {})
    assert before.n_kept == 199
    assert list(before.dropped()) == [rows[100]]
    assert sum(one.is_read for one in before.chunks) == 1, "only a chunk that lost a row is read"
    assert list(before.standing()) == standing
    assert not any(one.is_read for one in before.chunks), "memory holds one chunk at a time"


def test_chunks_of_another_version_are_not_remembered(mugs, monkeypatch):
    _, chunks = mugs
    with monkeypatch.context() as patch, pytest.raises(NotRememberedError):
        patch.setattr(chunk, "MANIFEST_VERSION", "another")
        chunks()[0].rows()
    monkeypatch.setattr("imagemake.release.manifest.chunks.kept.MANIFEST_VERSION", "another")
    with pytest.raises(NotRememberedError):
        chunks()


FILE = OutputFile(file="web/a.webp", width_px=8, height_px=6, bytes=9, digest="1" * 64, finished_digest="2" * 64)
WHOLE = {
    "reasons": ("tone.contrast: 3.1",),
    "references": ("a.png", "b.png"),
    "reference_digests": ("e" * 64, "f" * 64),
    "history": (an_attempt(0), an_attempt(1)),
    "by_people": (True,),
    "variables": {"ä": "1"},
    "model_files": {"lora": "f" * 64},
    "outputs": {"web": FILE},
}


def test_rows_are_read_as_they_were_written_and_share_what_many_have(tmp_path):
    rows = [an_entry("a", **WHOLE), an_entry("b"), an_entry("c"), an_entry("d", parameters={}, **WHOLE)]
    found = [row for one in kept(keep(list(cut(rows, tmp_path)), tmp_path), tmp_path) for row in one.rows()]
    assert found == rows
    assert found[1].parameters is found[2].parameters
    assert found[1].provider is found[2].provider


def test_no_chunk_has_more_rows_than_memory_is_meant_for(mugs, monkeypatch):
    rows, chunks = mugs
    assert {one.n for one in chunks()} == set(range(1, 7))
    monkeypatch.setattr(chunk, "MEAN", 2**32)
    assert [one.n for one in cut(rows)] == [6] * 33 + [2]


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_rows_that_are_damaged_are_not_remembered(tmp_path, damage):
    digest = keep(list(cut([an_entry("a")], tmp_path)), tmp_path)
    (chunk_file,) = tmp_path.glob("*.json")
    chunk_file.unlink() if damage is None else chunk_file.write_bytes(damage)
    with pytest.raises(NotRememberedError):
        kept(digest, tmp_path)[0].rows()
    (tmp_path / f"{digest}.bin").write_bytes(damage or b"")
    with pytest.raises(NotRememberedError):
        kept(digest, tmp_path)


def test_files_of_earlier_chunks_are_deleted(tmp_path):
    earlier = list(cut([an_entry("a")], tmp_path))
    keep(earlier, tmp_path)
    now = list(cut([an_entry("b")], tmp_path))
    digest = keep(now, tmp_path)
    sweep(now, digest, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{digest}.bin", f"{now[0].digest}.json"}


@pytest.mark.parametrize("most", [3, 1000])
def test_rows_are_sorted_on_disk_as_in_memory(monkeypatch, most):
    monkeypatch.setattr("imagemake.release.manifest.chunks.sorted_rows.MOST_IN_MEMORY", most)
    names = [f"mug-{number}" for number in random.Random(1).sample(range(100), 20)]
    rows = [an_entry(name) for name in (*names, "mug-00", "mug", "mug-000", "Mug-7", "mug-7a")]
    sorted_rows = SortedRows()
    sorted_rows.add_all(rows)
    assert list(sorted_rows) == in_order(rows)


def test_names_are_sorted_as_people_do():
    names = ["A2", "a10", "a9b", "a9b1", "A02", "ab", "a", "2", "10", "ä", "a-1", "a-01", "A"]
    assert sorted(names, key=order_of) == [
        "2",
        "10",
        "A",
        "a",
        "A02",
        "A2",
        "a9b",
        "a9b1",
        "a10",
        "a-01",
        "a-1",
        "ab",
        "ä",
    ]


def test_a_row_that_is_gone_changes_only_the_chunks_around_it(mugs):
    rows, _ = mugs
    before, after = ({one.digest for one in cut(some)} for some in (rows, [*rows[:100], *rows[101:]]))
    assert 0 < len(before - after) <= 2
    assert len(after - before) <= 2


def test_rows_that_are_in_memory_only_are_not_forgotten():
    (found,) = cut([an_entry("a")])
    found.forget()
    assert found.rows() == [an_entry("a")]
