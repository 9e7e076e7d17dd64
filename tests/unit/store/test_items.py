"""Tables of jobs: a damaged one is deleted, so that it is made again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.core.recipe import Recipe
from imagemake.core.sealed import DamagedStateError, seal
from imagemake.store.items import Item, read_table, table_bytes, write_table
from imagemake.store.tables import damaged_words, discard_damaged, intact_rows

ITEMS = [
    Item(f"mug-{n}", 0, recipe := Recipe("preview", "preview-1", "A mug", n), recipe.key(), "new") for n in range(3)
]


@pytest.fixture
def folder(tmp_path):
    write_table(tmp_path / "whole.jsonl", ITEMS)
    return tmp_path


def test_a_whole_table_stays(folder):
    assert discard_damaged([folder, folder / "nowhere"]) == []
    assert read_table(folder / "whole.jsonl") == ITEMS


WHOLE = table_bytes(ITEMS)


def damages():
    table = WHOLE + seal(WHOLE + b'{"rows":3}')[len(WHOLE) :] + b"\n"
    yield "torn", table[:-40]
    yield "torn between rows", WHOLE
    yield "zeroed", bytes(len(table))
    yield "flipped to other JSON", table.replace(b'"seed":2', b'"seed":3')
    yield "without a row", b"".join(table.splitlines(keepends=True)[1:])
    yield "empty", b""
    yield "foreign", b"[1]\n"


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in damages()])
def test_a_damaged_table_is_deleted_and_read_by_nobody(folder, content):
    damaged = folder / "damaged.jsonl"
    damaged.write_bytes(content)
    assert content != (folder / "whole.jsonl").read_bytes()
    with pytest.raises(DamagedStateError, match=r"damaged\.jsonl: this table does not match its checksum"):
        read_table(damaged)
    assert [row["name"] for row in intact_rows([damaged, folder / "whole.jsonl"])] == ["mug-0", "mug-1", "mug-2"]
    assert discard_damaged([folder]) == [damaged]
    assert [path.name for path in folder.iterdir()] == ["whole.jsonl"]


def test_a_folder_in_the_place_of_a_table_is_deleted_too(folder):
    (folder / "odd.jsonl" / "deeper").mkdir(parents=True)
    assert discard_damaged([folder]) == [folder / "odd.jsonl"]
    assert not (folder / "odd.jsonl").exists()


def test_a_warning_names_some_of_many_tables():
    assert "1 table was damaged, or" in damaged_words([Path("a")])
    assert damaged_words([Path("a")] * 5).endswith("without a call: a, a, a, and 2 more")


@given(st.binary(max_size=200))
def test_whatever_a_table_holds_it_ends_without_a_traceback(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("tables")
    (folder / "odd.jsonl").write_bytes(content)
    assert len(discard_damaged([folder])) + len(list(folder.iterdir())) == 1
