"""SHA-256 of many files: in order, whatever cannot be read."""

from __future__ import annotations

import hashlib

from imagemake.core import hashing
from imagemake.core.hashing import each_sha256, file_sha256


def test_digests_come_in_the_order_of_the_files_and_are_empty_for_what_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(hashing, "_IN_TASK", 3)
    monkeypatch.setattr(hashing, "_TASKS", 2)
    paths = [tmp_path / str(number) for number in range(20)]
    for path in paths:
        path.write_bytes(path.name.encode())
    paths[7].unlink()
    paths[11] = tmp_path  # a folder
    wanted = [hashlib.sha256(path.name.encode()).hexdigest() for path in paths]
    wanted[7] = wanted[11] = ""
    assert list(each_sha256(iter(paths))) == wanted


def test_a_file_of_several_blocks_has_one_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(hashing, "_BLOCK_BYTES", 4)
    (tmp_path / "a").write_bytes(b"0123456789")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"0123456789").hexdigest()
