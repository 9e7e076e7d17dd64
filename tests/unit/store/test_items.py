"""Tables of jobs: a damaged one is deleted, so that it is made again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.core.recipe import Recipe
from imagemake.store.items import Item, discard_damaged, read_table, table_bytes, write_table

ITEMS = [
    Item(f"mug-{n}", 0, recipe := Recipe("preview", "preview-1", "A mug", n), recipe.key(), "new") for n in range(3)
]
WHOLE = table_bytes(ITEMS)


@pytest.fixture
def folder(tmp_path):
    write_table(tmp_path / "whole.jsonl", ITEMS)
    return tmp_path


def test_a_whole_table_stays(folder):
    assert discard_damaged([folder, folder / "nowhere"]) == []
    assert read_table(folder / "whole.jsonl") == ITEMS


@pytest.mark.parametrize(
    "content", [WHOLE[:-40], b"\0" * 100, WHOLE[:50] + b"\xff" + WHOLE[51:], b"[1]\n", b"{}\n", b"7\n"]
)
def test_a_torn_zeroed_or_foreign_table_is_deleted(folder, content):
    (folder / "damaged.jsonl").write_bytes(content)
    assert discard_damaged([folder]) == [folder / "damaged.jsonl"]
    assert [path.name for path in folder.iterdir()] == ["whole.jsonl"]


@given(st.binary(max_size=200))
def test_whatever_a_table_holds_it_ends_without_a_traceback(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("tables")
    (folder / "odd.jsonl").write_bytes(content)
    assert len(discard_damaged([folder])) + len(list(folder.iterdir())) == 1
