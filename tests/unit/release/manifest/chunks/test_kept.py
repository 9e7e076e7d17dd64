"""Chunks: a change of some rows gives the chunks of all rows, and reads only those that it touches."""

import random
from dataclasses import replace

import pytest
from entries import an_entry

from imagemake.plan.requests.names import folded
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.sections import short
from imagemake.release.manifest.chunks import chunk
from imagemake.release.manifest.chunks.chunk import cut
from imagemake.release.manifest.chunks.kept import Before, keep, kept, sweep
from imagemake.release.manifest.chunks.order import order_of
from imagemake.release.manifest.chunks.sorted_rows import SortedRows


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(chunk, "MEAN", 4)
    monkeypatch.setattr(chunk, "MOST", 6)


def in_order(rows):
    return sorted(rows, key=lambda row: order_of(row.name))


def shortened(rows):
    return {short(folded(row.name)) for row in rows}


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
    found = list(Before(kept_now, shortened(standing), moved).with_rows(in_order(new)))
    standing = [replace(row, catalog_row=moved.get(row.catalog_row, row.catalog_row)) for row in standing]
    assert found == [
        replace_known(one, other) for one, other in zip(cut(in_order([*standing, *new])), found, strict=True)
    ]
    assert [row for one in found for row in one.rows()] == in_order([*standing, *new])


def replace_known(one, other):
    return replace(one, folder=other.folder, known=other.known)


def test_a_change_of_one_row_reads_few_chunks(tmp_path):
    rows = in_order(an_entry(f"mug-{number}") for number in range(200))
    digest = keep(list(cut(rows, tmp_path)), tmp_path)
    before = Before(kept(digest, tmp_path), shortened([*rows[:100], *rows[101:]]))
    found = list(before.with_rows([replace(rows[100], prompt="another")]))
    assert len(found) > 20
    assert sum(one.known is not None for one in found) <= 2


@pytest.mark.parametrize("damage", [b"", b"x"])
def test_rows_that_are_damaged_are_not_remembered(tmp_path, damage):
    digest = keep(list(cut([an_entry("a")], tmp_path)), tmp_path)
    (chunk_file,) = tmp_path.glob("*.json")
    chunk_file.write_bytes(damage)
    with pytest.raises(NotRememberedError):
        kept(digest, tmp_path)[0].rows()
    (tmp_path / f"{digest}.bin").write_bytes(damage)
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
    rows = [an_entry(f"mug-{number}") for number in random.Random(1).sample(range(100), 20)]
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
