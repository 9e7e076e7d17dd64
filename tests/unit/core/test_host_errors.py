"""A full disk, a missing right, or a folder in a file's place ends in a line with the path and what to do."""

from __future__ import annotations

import errno
import io
import os
import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image, UnidentifiedImageError

from imagemake.core import files
from imagemake.core.errors import ExitCode, exit_on_error
from imagemake.core.files import FileLock, link_or_copy, write_whole
from imagemake.core.host_errors import words_of
from imagemake.store.journal import Journal


def told(capsys, act):
    with pytest.raises(SystemExit) as ended, exit_on_error():
        act()
    assert ended.value.code == ExitCode.NOT_READY
    what, remedy = capsys.readouterr().err.splitlines()
    assert remedy.startswith("  ")
    return what


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_of_the_computer_is_one_line_and_a_remedy(number, capsys):
    def fail():
        raise OSError(number, os.strerror(number), "store/\x1b[31m\n.png")

    what = told(capsys, fail)
    assert what.startswith("store/\\x1b[31m\\n.png: ")
    assert "Errno" not in what


@pytest.mark.parametrize("step", ["fsync", "write", "mkstemp", "replace"])
def test_a_disk_that_fills_while_a_file_is_written_names_the_file_and_leaves_no_half(
    step, tmp_path, monkeypatch, capsys
):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "raw" / "ab" / "image.png"
    if step == "write":
        monkeypatch.setattr(os, "fdopen", Full)
    else:
        monkeypatch.setattr(files.tempfile if step == "mkstemp" else os, step, full)
    assert told(capsys, lambda: write_whole(path, b"image", durable=True)) == f"{path}: the disk is full."
    assert list(path.parent.iterdir()) == []


class Full(io.FileIO):
    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_without_inodes_is_not_called_full(tmp_path, monkeypatch):
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "not" / "there"))
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=100, f_favail=0, f_bavail=1_000))
    assert "no inodes are left" in words_of(error)[0]
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=0, f_favail=0, f_bavail=1_000))
    assert "the disk is full" in words_of(error)[0]


def test_a_journal_on_a_full_disk_is_named(tmp_path, monkeypatch, capsys):
    journal = Journal(tmp_path, "job", durable=True)
    journal.sent(key="k")

    def full(*_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "write", full)
    assert told(capsys, lambda: journal.sent(key="l")) == f"{journal.path}: your quota of the disk is used up."


def test_real_refusals_are_told(tmp_path, capsys):
    file, loop = tmp_path / "file", tmp_path / "loop"
    file.write_bytes(b"")
    loop.symlink_to(loop)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "at all")
    no_folder = "it is not a folder, but a file or a broken link."
    assert told(capsys, lambda: write_whole(file / "below" / "more", b"")) == f"{file}: {no_folder}"
    assert told(capsys, lambda: write_whole(tmp_path / "dangling" / "a", b"")) == f"{tmp_path}/dangling: {no_folder}"
    assert told(capsys, FileLock(file / "lock").acquire) == f"{file}: {no_folder}"
    assert told(capsys, lambda: link_or_copy(file, file / "link")) == f"{file}: {no_folder}"
    assert "links form a loop" in told(capsys, (loop / "below").read_bytes)
    assert "it is a folder" in told(capsys, lambda: write_whole(tmp_path, b""))
    assert "too long" in told(capsys, lambda: write_whole(tmp_path / ("x" * 300), b""))


def test_a_limit_on_the_size_of_files_and_on_their_number_is_told(tmp_path, capsys):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        assert "would be too large" in told(capsys, lambda: write_whole(tmp_path / "a", bytes(10_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        assert "too many files are open" in told(capsys, lambda: write_whole(tmp_path / "a", b""))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_broken_file_is_no_matter_of_the_computer():
    with pytest.raises(UnidentifiedImageError), exit_on_error():
        Image.open(io.BytesIO(b"no image"))


def test_a_log_on_a_full_disk_does_not_hide_the_status(monkeypatch):
    class FullLog(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", FullLog())
    with pytest.raises(SystemExit) as ended, exit_on_error():
        raise PermissionError(errno.EACCES, "Permission denied", "work")
    assert ended.value.code == ExitCode.NOT_READY


def test_a_lock_on_a_file_system_that_became_read_only_is_released(tmp_path, monkeypatch):
    lock = FileLock(tmp_path / "lock")
    lock.acquire()

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as context:
        context.setattr(Path, "unlink", refuse)
        lock.release(remove=True)
    assert FileLock(tmp_path / "lock").acquire(wait=False)
