"""What is remembered of released files: a damaged memory costs reading the files again, and never a wrong digest."""

import os

import pytest

from imagemake.core.sealed import read_sealed, write_sealed
from imagemake.release.record import RECORD, read_record
from imagemake.release.released_files import Released, ReleasedBefore

DIGEST = "d" * 64


@pytest.fixture
def remembered(tmp_path):
    target = tmp_path / "mug.jpg"
    target.write_bytes(b"image")
    memory = ReleasedBefore(tmp_path / "memory.json")
    memory.add(target, "made of", Released(DIGEST, 5, size_px=(64, 48)))
    memory.save()
    return target, tmp_path / "memory.json"


def test_an_unchanged_file_is_known(remembered):
    target, path = remembered
    assert ReleasedBefore(path).find(target, "made of") == Released(DIGEST, 5, size_px=(64, 48))
    assert ReleasedBefore(path).find(target, "made of something else") is None
    os.utime(target, (1, 1))
    assert ReleasedBefore(path).find(target, "made of") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-9],
        lambda data: bytes(len(data)),
        lambda data: data.replace(b"dd", b"ad", 1),
        lambda _: b"[]",
    ],
    ids=["torn", "zeroed", "flipped", "a list"],
)
def test_a_damaged_memory_knows_nothing_and_is_written_again(remembered, damage):
    target, path = remembered
    path.write_bytes(damage(path.read_bytes()))
    memory = ReleasedBefore(path)
    assert memory.find(target, "made of") is None
    memory.add(target, "made of", Released(DIGEST, 5, size_px=(64, 48)))
    memory.save()
    assert ReleasedBefore(path).find(target, "made of") == Released(DIGEST, 5, size_px=(64, 48))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"open":0}', b"\0\0"])
def test_a_damaged_record_of_a_release_counts_as_none(tmp_path, content):
    (tmp_path / RECORD).write_bytes(content)
    assert read_record(tmp_path) == {}


def test_a_memory_of_another_version_knows_nothing(remembered):
    target, path = remembered
    write_sealed(path, {"files": read_sealed(path)["files"]})
    assert ReleasedBefore(path).find(target, "made of") is None
