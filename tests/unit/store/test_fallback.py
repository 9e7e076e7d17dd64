"""What a store's disk refuses is written to a folder of this user alone, and moved back as it was."""

from __future__ import annotations

import os

import pytest

from imagemake.store import fallback
from imagemake.store.fallback import (
    VARIABLE,
    KeptElsewhereError,
    journal_record_file,
    kept_elsewhere,
    take_back,
    write_elsewhere,
)
from imagemake.store.journal import Journal, Outcome, read_calls
from imagemake.store.store import Store


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "first"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "second"))
    (tmp_path / "third").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "third"))
    return tmp_path


def put(folder):
    return Store(folder).raw.put("ab" * 32, b"image", durable=True)


def test_the_first_folder_that_takes_a_file_gets_it(places):
    store = places / "store"
    _, folder = write_elsewhere(store, put)
    assert folder.parent == places / "first"
    (places / "first").rename(places / "aside")
    (places / "first").write_bytes(b"a file")
    _, folder = write_elsewhere(store, put)
    assert folder.parent == places / "second" / "imagemake"
    (places / "second").rename(places / "aside2")
    (places / "second").write_bytes(b"a file")
    _, folder = write_elsewhere(store, put)
    assert folder.parent == places / "third"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_another_disk_comes_first(places, monkeypatch):
    monkeypatch.setattr(fallback, "_disk", lambda folder: 2 if "second" in str(folder) else 1)
    _, folder = write_elsewhere(places / "store", put)
    assert folder.is_relative_to(places / "second")


def test_a_folder_that_somebody_else_can_write_to_is_neither_used_nor_read(places, monkeypatch):
    _, folder = write_elsewhere(places / "store", put)
    folder.chmod(0o777)
    assert kept_elsewhere(places / "store") == []
    _, other = write_elsewhere(places / "store", put)
    assert other.is_relative_to(places / "second")
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert kept_elsewhere(places / "store") == []
    with pytest.raises(PermissionError, match="belongs to another user"):
        write_elsewhere(places / "store", put)


def test_files_come_back_as_they_were_and_images_before_their_records(places, monkeypatch):
    store = Store(places / "store")
    journal = Journal(store.journal_folder, "job", durable=True)
    call = journal.sent(key="ab" * 32, name="a", recipe={"model": "m"})
    with journal.path.open("ab") as file:
        file.write(b'{"event": "clo')  # the disk was full in the middle of a record

    def close(folder):
        path = journal_record_file(folder, journal.path.relative_to(store.root))
        Journal(folder, "job", durable=True, path=path).closed(call, Outcome.MADE, key="ab" * 32)

    write_elsewhere(store.root, close)
    stored, folder = write_elsewhere(store.root, put)
    (folder / ".writing-half").write_bytes(b"ha")
    (folder / "raw" / "link").symlink_to("/etc/passwd")

    order = []
    write_whole, append = fallback.write_whole, fallback._append
    monkeypatch.setattr(fallback, "write_whole", lambda path, *a, **k: (order.append(path), write_whole(path, *a, **k)))
    monkeypatch.setattr(fallback, "_append", lambda path, lines: (order.append(path), append(path, lines)))
    assert take_back(store.root) == 1
    assert order == [store.raw.path(stored), journal.path]
    assert store.raw.read(stored) == b"image"
    assert store.raw.path(stored).stat().st_mode & 0o777 == 0o444
    assert [call.outcome for call in read_calls(store.journal_folder)] == [Outcome.MADE]
    assert take_back(store.root) == 0


def test_each_store_has_a_folder_of_its_own(places):
    write_elsewhere(places / "store", put)
    assert kept_elsewhere(places / "other") == []
    assert take_back(places / "other") == 0
    assert len(kept_elsewhere(places / "store")) == 1


def test_what_the_disk_still_refuses_stays_where_it_is(places):
    write_elsewhere(places / "store", put)
    (places / "store").write_bytes(b"a file")
    with pytest.raises(KeptElsewhereError, match=r"it is not a folder.*What arrived is kept in"):
        take_back(places / "store")
    assert len(kept_elsewhere(places / "store")) == 1
