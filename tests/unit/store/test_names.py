"""Claims about the digest of the names of a store's files."""

import os
import time
from pathlib import Path

import pytest

from imagemake.store.names import names_digest
from imagemake.store.store import Store

KEY, OTHER = "ab" * 32, "cd" * 32
LONG_AGO_S = 100


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    for key in (KEY, OTHER):
        store.raw.put(key, key.encode(), durable=False)
    age(store)
    return store


def age(store):
    """Let the folders be older than any doubt whether a change would show."""
    for folder in store.raw.folder.glob("*/*"):
        os.utime(folder, (time.time() - LONG_AGO_S,) * 2)


def digest_of(store):
    return names_digest((store.raw,), store.root / "names.json")


def test_a_new_a_missing_and_a_renamed_file_change_the_digest(store):
    seen = {digest_of(store)}
    stored = store.raw.put("ab" + "0" * 62, b"new", durable=False)
    seen.add(digest_of(store))
    path = store.raw.path(stored)
    path.rename(path.with_suffix(".jpg"))
    seen.add(digest_of(store))
    path.with_suffix(".jpg").unlink()
    store.raw.path(store.raw.find(OTHER)).unlink()
    seen.add(digest_of(store))
    assert len(seen) == 4


def test_a_change_within_a_step_of_the_clock_shows(store):
    first = digest_of(store)
    folder = store.raw.folder / "a" / "ab"
    before = folder.stat()
    store.raw.put("ab" + "0" * 62, b"new", durable=False)
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if the clock stood still
    assert digest_of(store) != first


def test_folders_that_did_not_change_are_not_listed(store, monkeypatch):
    monkeypatch.setattr("imagemake.core.file_stamp.RACY_NS", 0)
    first = digest_of(store)
    monkeypatch.setattr("imagemake.store.store._files", lambda folder: pytest.fail(f"{folder} was listed"))
    assert digest_of(store) == first


def test_a_damaged_memory_costs_only_a_listing(store):
    first = digest_of(store)
    Path(store.root / "names.json").write_bytes(b"{}")
    assert digest_of(store) == first
