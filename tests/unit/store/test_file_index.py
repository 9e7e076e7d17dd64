"""Claims about the compact index of a content store."""

from __future__ import annotations

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from imagemake.store.file_index import FileIndex
from imagemake.store.stored_file import StoredFile

DIGITS = st.text("0123456789abcdef", min_size=64, max_size=64)
NEAR = st.sampled_from(["0" * 64, "0" * 63 + "1", "f" * 64, "f" * 63 + "e", "0" * 62 + "ff"])
FILES = st.lists(st.builds(StoredFile, NEAR | DIGITS, NEAR | DIGITS, st.sampled_from(["png", "jpg", "", "tar.gz"])))


@given(FILES, st.lists(NEAR | DIGITS, max_size=3))
def test_it_finds_what_a_dict_finds(files, others):
    index = FileIndex(files)
    assert len(index) == len(files)
    for key in [*(one.key for one in files), *others]:
        of_key = [one for one in files if one.key == key]
        found = index.get(key)
        assert (found is None) == (not of_key) == (key not in index)
        assert found == min(of_key, key=lambda one: (one.digest, one.extension), default=None)


def test_a_file_whose_name_has_other_characters_is_in_nobodys_way():
    index = FileIndex([StoredFile("x" * 64, "0" * 64, "png"), StoredFile("a" * 64, "0" * 64, "png")])
    assert index.get("a" * 64) == StoredFile("a" * 64, "0" * 64, "png")
    assert len(index) == 1
    assert index.get("x" * 64) is index.get("") is None


def test_a_file_takes_80_bytes():
    chance, n_files = random.Random(1), 20_000
    files = (
        StoredFile(f"{chance.getrandbits(256):064x}", f"{chance.getrandbits(256):064x}", "png") for _ in range(n_files)
    )
    tracemalloc.start()
    index = FileIndex(files)
    left_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(index) == n_files
    assert left_bytes < 85 * n_files
