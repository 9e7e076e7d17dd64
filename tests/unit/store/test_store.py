"""The store keeps every paid image, and detects damage."""

import hashlib
import subprocess
import sys

import pytest

from imagemake.store.store import DamagedError, Store, StoredFile, extension_of

KEY = "a" * 64
PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_what_was_put_is_read_back_and_listed(store):
    stored = store.raw.put(KEY, PNG, durable=True)
    assert stored == StoredFile(KEY, hashlib.sha256(PNG).hexdigest(), "png")
    assert store.raw.read(stored) == PNG
    assert store.raw.index() == {KEY: stored}
    assert store.raw.find(KEY) == stored


def test_a_key_that_was_never_put_is_not_found(store):
    assert store.raw.find(KEY) is None
    assert store.raw.index() == {}


def test_a_changed_byte_is_found_on_reading_and_the_file_is_moved_aside(store):
    stored = store.raw.put(KEY, PNG, durable=False)
    path = store.raw.path(stored)
    path.chmod(0o644)
    path.write_bytes(PNG[:-1] + b"?")
    with pytest.raises(DamagedError, match="does not match its digest"):
        store.raw.read(stored)
    assert store.raw.find(KEY) is None
    assert [file.name for file in (store.root / "damaged" / "raw").iterdir()] == [stored.file_name]


def test_a_folder_in_the_place_of_a_file_is_moved_aside_and_no_damaged_file_replaces_another(store):
    for content in (b"first", b"second", None):
        stored = store.raw.put(KEY, PNG, durable=False)
        path = store.raw.path(stored)
        path.unlink()
        path.write_bytes(content) if content else path.mkdir()
        with pytest.raises(DamagedError, match="moved to"):
            store.raw.read(stored)
        assert store.raw.find(KEY) is None
    aside = sorted((store.root / "damaged" / "raw").iterdir())
    assert [path.is_dir() or path.read_bytes() for path in aside] == [b"first", b"second", True]


def test_a_deleted_file_is_reported_as_missing(store):
    stored = store.raw.put(KEY, PNG, durable=False)
    store.raw.path(stored).unlink()
    with pytest.raises(DamagedError, match="is missing"):
        store.raw.read(stored)


def test_a_half_written_file_is_never_listed(store):
    store.raw.put(KEY, PNG, durable=False)
    (store.raw.folder / KEY[0] / KEY[:2] / ".writing-xyz").write_bytes(b"half")
    (store.raw.folder / KEY[0] / KEY[:2] / "notes.txt").write_bytes(b"somebody else's")
    assert list(store.raw.index()) == [KEY]


def test_two_files_of_one_key_give_the_same_one_to_everybody(store):
    one = store.raw.put(KEY, PNG, durable=False)
    other = store.raw.put(KEY, PNG + b"!", durable=False)
    first = min(one, other, key=lambda stored: stored.digest)
    assert store.raw.index()[KEY] == store.raw.find(KEY) == first


def test_stored_images_cannot_be_edited_in_place_by_mistake(store):
    stored = store.raw.put(KEY, PNG, durable=False)
    assert store.raw.path(stored).stat().st_mode & 0o222 == 0


def test_a_claimed_key_is_free_again_when_its_process_is_killed(store):
    program = (
        "import sys, time; from pathlib import Path; from imagemake.store.store import Store\n"
        f"claim = Store(Path(sys.argv[1])).claim('{KEY}'); assert claim.acquire(wait=False)\n"
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(store.root)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        assert not store.claim(KEY).acquire(wait=False)
        other.kill()
        other.wait()
        held = store.claim("f" * 64)
        assert held.acquire(wait=False)
        assert store.sweep_claims() == 1
        assert [path.name for path in (store.root / "claims").iterdir()] == ["f" * 64]
        held.release(remove=True)
    claim = store.claim(KEY)
    assert claim.acquire(wait=False)
    claim.release(remove=True)
    assert not any((store.root / "claims").iterdir())


def test_a_claim_on_a_removed_file_does_not_count(store):
    first, second = store.claim(KEY), store.claim(KEY)
    assert first.acquire(wait=False)
    first.path.unlink()
    assert second.acquire(wait=False), "a new file is a new lock"
    first.release()
    third = store.claim(KEY)
    assert not third.acquire(wait=False)


@pytest.mark.parametrize(
    ("data", "extension"),
    [(PNG, "png"), (b"\xff\xd8\xff\xe0", "jpg"), (b"RIFF\0\0\0\0WEBPVP8 ", "webp"), (b"<html>", "bin"), (b"", "bin")],
)
def test_a_file_is_named_by_its_first_bytes(data, extension):
    assert extension_of(data) == extension
