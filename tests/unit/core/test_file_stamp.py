"""What was read of a file is known as long as no change of it can go unseen."""

import os
import time

import pytest

from imagemake.core import file_stamp
from imagemake.core.file_stamp import StampCache, stamp_of


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    return path


def cache(tmp_path, version=1):
    return StampCache(tmp_path / "cache.json", version, str, str)


def remembered(tmp_path, file, value="read"):
    known = cache(tmp_path)
    known.put("a", stamp_of(file), value, time.time_ns() + 10 * file_stamp.RACY_NS)
    known.save()


def test_what_is_known_outlives_the_process(tmp_path, file):
    remembered(tmp_path, file)
    assert cache(tmp_path).get("a", stamp_of(file)) == "read"


def test_a_file_that_was_touched_rewritten_or_replaced_is_not_known(tmp_path, file):
    remembered(tmp_path, file)
    before = stamp_of(file)
    os.utime(file, ns=(1, 1))
    assert cache(tmp_path).get("a", stamp_of(file)) is None
    file.write_bytes(b"two")
    os.utime(file, ns=(before.mtime_ns, before.mtime_ns))  # nobody can set back the time of the inode's change
    assert cache(tmp_path).get("a", stamp_of(file)) is None


def test_a_file_as_young_as_the_clock_is_coarse_is_read_again(tmp_path, file):
    known = cache(tmp_path)
    known.put("a", stamp_of(file), "read", time.time_ns())
    assert known.get("a", stamp_of(file)) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 1}', b'{"version": 1, "files": {"a": [[1], 2]}, "notes": 3}']
)
def test_a_damaged_cache_costs_reading_again_and_nothing_else(tmp_path, file, content):
    (tmp_path / "cache.json").write_bytes(content)
    assert cache(tmp_path).get("a", stamp_of(file)) is None


def test_a_flipped_value_is_forgotten_and_a_folder_in_the_place_of_the_cache_is_moved_away(tmp_path, file):
    path = tmp_path / "cache.json"
    remembered(tmp_path, file)
    path.write_bytes(path.read_bytes().replace(b'"read"', b'"reed"'))
    assert cache(tmp_path).get("a", stamp_of(file)) is None
    path.unlink()
    path.mkdir()
    remembered(tmp_path, file)
    assert cache(tmp_path).get("a", stamp_of(file)) == "read"


def test_another_version_is_forgotten(tmp_path, file):
    remembered(tmp_path, file)
    assert cache(tmp_path, version=2).get("a", stamp_of(file)) is None


def test_no_file_has_no_stamp(tmp_path):
    assert stamp_of(tmp_path / "nothing") is None
    assert stamp_of(tmp_path / "nothing" / "below") is None
