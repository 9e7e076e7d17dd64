"""Before a call is sent, its image has room: in bytes, in files, within quotas, and by the rights of the user."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest

from imagemake.core.errors import ExitCode
from imagemake.core.problems import NotReadyError
from imagemake.core.recipe import Recipe
from imagemake.store.room import FILES_PER_CALL, MARGIN_BYTES, MARGIN_FILES, UNKNOWN_BYTES, Room, check_folder

PARAMETERS = {"size": "1000x500"}
SMALL = Recipe("openai", "m", "a mug", 0, parameters=PARAMETERS)
UNKNOWN = Recipe("openai", "m", "a mug", 0)
OTHER = Recipe("openai", "other", "a mug", 0, parameters=PARAMETERS)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    state = SimpleNamespace(f_frsize=1, f_bavail=10**12, f_files=10**9, f_favail=10**9, f_flag=0)
    monkeypatch.setattr(os, "statvfs", lambda _: state)
    monkeypatch.setattr(os, "posix_fallocate", lambda handle, start, n_bytes: None)
    state.room = Room((tmp_path / "store", tmp_path / "work"), in_flight=4)
    return state


def refusal(room, recipe=SMALL, images=None):
    with pytest.raises(NotReadyError) as caught:
        room.check(recipe, images)
    assert caught.value.exit_code is ExitCode.NOT_READY
    assert caught.value.remedy
    return str(caught.value)


def test_the_images_in_flight_need_room_with_a_margin(disk, tmp_path):
    disk.f_bavail = MARGIN_BYTES + 4 * 4 * 1000 * 500
    disk.room.check(SMALL)
    disk.f_bavail -= 1
    assert refusal(disk.room) == f"{tmp_path}/store: 24.8 MB are free on this disk, and the next calls need 24.8 MB."
    disk.room.check(SMALL, images=3)
    disk.f_bavail = MARGIN_BYTES + 4 * UNKNOWN_BYTES
    disk.room.check(UNKNOWN)
    disk.f_bavail -= 1
    refusal(disk.room, UNKNOWN)


def test_images_of_the_model_tell_how_large_the_next_ones_may_be(disk):
    disk.room.note(SMALL, 10_000_000)
    disk.room.note(SMALL, 1_000)
    disk.f_bavail = MARGIN_BYTES + 4 * 2 * 10_000_000
    disk.room.check(UNKNOWN)
    disk.f_bavail -= 1
    refusal(disk.room)
    disk.room.check(OTHER)


def test_files_need_room_too_unless_the_file_system_does_not_count_them(disk):
    disk.f_favail = MARGIN_FILES + 4 * FILES_PER_CALL
    disk.room.check(SMALL)
    disk.f_favail -= 1
    assert "room for 95 more files, and the next calls need 96" in refusal(disk.room)
    disk.f_files = disk.f_favail = 0
    disk.room.check(SMALL)


def test_a_disk_without_any_room_is_called_full(disk, tmp_path):
    disk.f_favail = 0
    assert refusal(disk.room) == f"{tmp_path}/store: the disk has room for no more files (no inodes are left)."
    disk.f_favail, disk.f_bavail = 10**9, 0
    assert refusal(disk.room) == f"{tmp_path}/store: the disk is full."


@pytest.mark.parametrize("kind", ["file", "dangling", "loop"])
def test_a_folder_that_is_none_is_told_before_a_run_begins(tmp_path, kind):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(NotReadyError, match="it is not a folder, but a file or a broken link"):
        check_folder(tmp_path / kind, "a run needs")
    check_folder(tmp_path / "missing" / "folder", "a run needs", 1, 1)


@pytest.mark.parametrize(("flag", "words"), [(os.ST_RDONLY, "the file system is read-only"), (0, "permission denied")])
def test_a_folder_that_cannot_be_written_to_is_told(disk, tmp_path, monkeypatch, flag, words):
    disk.f_flag = flag
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert refusal(disk.room) == f"{tmp_path}/store: {words}."


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EDQUOT, "your quota of the disk is used up"), (errno.EFBIG, "would be too large")]
)
def test_a_quota_is_tried_before_the_first_call(disk, monkeypatch, number, words):
    tried = []

    def refuse(handle, start, n_bytes):
        tried.append(n_bytes)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert words in refusal(disk.room)
    assert tried == [4 * 4 * 1000 * 500]


def test_a_file_system_that_cannot_reserve_is_no_obstacle_and_is_asked_once(disk, tmp_path, monkeypatch):
    tried = []

    def refuse(handle, start, n_bytes):
        tried.append(n_bytes)
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    disk.room.check(SMALL)
    disk.room.check(SMALL)
    assert len(tried) == 1
    assert list((tmp_path / "store").iterdir()) == []


def test_a_real_disk_with_room_is_fine_and_a_file_in_the_way_is_told(tmp_path):
    Room((tmp_path / "store", tmp_path / "work"), 4).check(SMALL)
    (tmp_path / "file").write_bytes(b"")
    assert "it is not a folder" in refusal(Room((tmp_path / "file" / "store",), 4))
