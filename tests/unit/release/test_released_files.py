"""What is remembered of released files: a damaged memory costs reading the files again, and never a wrong digest."""

import os
import random
import tracemalloc

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


@pytest.fixture(params=[1, 4], ids=["in one part", "in several parts"])
def several(tmp_path, request):
    """Six files of three names in two folders, and their memory, which was saved."""
    files = [tmp_path / folder / f"{name}.jpg" for folder in "ab" for name in ("mug", "hat", "shoe")]

    def memory():
        return ReleasedBefore(tmp_path / "memory.json", tmp_path, request.param)

    first = memory()
    for number, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x" * number)
        first.add(file, f"made of {number}", Released(f"{number}", number))
    first.save()
    return files, memory


def known_by(memory, files):
    return [memory.find(file, f"made of {number}") is not None for number, file in enumerate(files)]


def test_files_of_one_name_in_several_folders_are_told_apart(several):
    files, memory = several
    assert [memory().find(file, f"made of {n}") for n, file in enumerate(files)] == [
        Released(f"{n}", n) for n in range(6)
    ]
    assert known_by(memory(), files[::-1]) == [False] * 6
    assert memory().find(files[0].with_name("new.jpg"), "made of 0") is None
    files[0].unlink()
    assert memory().find(files[0], "made of 0") is None


def test_a_file_that_is_kept_stays_known_and_one_that_is_not_is_forgotten(several):
    files, memory = several
    files[1].write_bytes(b"scribbled")
    now = memory()
    assert [now.keep(file) for file in (*files[:3], files[0].with_name("new.jpg"))] == [True, False, True, False]
    now.save()
    assert known_by(memory(), files) == [True, False, True, False, False, False]


def test_an_update_forgets_only_what_is_gone_and_was_not_made_again(several):
    files, memory = several
    now = memory()
    now.add(files[0], "made of something else", Released("0", 0))
    now.update(gone=[files[0], files[1]])
    assert known_by(memory(), files) == [False, False, True, True, True, True]
    memory().update(gone=[files[2]])
    assert known_by(memory(), files) == [False, False, False, True, True, True]
    now = memory()
    now.add(files[1], "made of 1", Released("1", 1))
    now.update()
    assert known_by(memory(), files) == [False, True, False, True, True, True]
    assert memory().find(files[0], "made of something else") == Released("0", 0)


def test_a_file_that_got_a_second_name_is_still_known(several, tmp_path):
    files, memory = several
    now = memory()
    assert now.find(files[0], "made of 0")
    os.link(files[0], tmp_path / "another")
    now.was_linked(files[0])
    now.was_linked(files[1])  # nothing is known of it now
    now.save()
    assert memory().find(files[0], "made of 0") == Released("0", 0)
    assert memory().find(files[1], "made of 1") is None


def test_a_memory_that_says_the_same_is_not_written_again(several, tmp_path):
    files, memory = several
    paths = sorted(tmp_path.glob("memory*"))
    assert paths
    before = [path.stat().st_ino for path in paths]
    for save in (ReleasedBefore.save, ReleasedBefore.update):
        now = memory()
        assert all(known_by(now, files))
        save(now)
        assert [path.stat().st_ino for path in paths] == before


def test_without_a_place_nothing_is_remembered(several, tmp_path):
    files, _ = several
    for n_parts in (1, 4):
        nowhere = ReleasedBefore(None, n_parts=n_parts)
        nowhere.add(files[0], "made of 0", Released("0", 0))
        nowhere.save()
        assert nowhere.find(files[0], "made of 0") is None


@pytest.mark.parametrize("seed", range(20))
def test_many_files_that_wait_on_disk_are_remembered_like_those_in_memory(tmp_path, monkeypatch, seed):
    files = [tmp_path / f"{number}.jpg" for number in range(9)]
    for file in files:
        file.write_bytes(file.name.encode())
    chance, records = random.Random(seed), []
    steps = [(chance.choice(["add", "find", "keep", "link"]), n, chance.choice(files)) for n in range(40)]
    for most in (1, 4, 1000):
        monkeypatch.setattr("imagemake.release.released_files.MOST_IN_MEMORY", most)
        paths = [tmp_path / f"{most}.{part:02x}.json" for part in range(3)]
        for do in (ReleasedBefore.save, ReleasedBefore.update):
            memory = ReleasedBefore(tmp_path / f"{most}.json", n_parts=3)
            for step, n, file in steps:
                if step == "add":
                    memory.add(file, f"made of {n}", Released(f"{n}", n, size_px=(n, 1)))
                elif step == "find":
                    memory.find(file, f"made of {n - 1}")
                elif step == "keep":
                    memory.keep(file)
                else:
                    memory.was_linked(file)
            do(memory)
            records.append([read_sealed(path) for path in paths])
    assert records[0] == records[2] == records[4]
    assert records[1] == records[3] == records[5]
    assert any(one["files"] for one in records[0])


def test_files_that_wait_on_disk_take_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("imagemake.release.released_files.MOST_IN_MEMORY", 100)

    def filled():
        memory = ReleasedBefore(tmp_path / "memory.json")
        for number in range(5_000):
            memory.add(tmp_path / f"{number}.jpg", "m" * 64, Released(DIGEST, 5, size_px=(64, 48)))
        return memory

    filled()  # what Python itself keeps of so many paths is there then
    tracemalloc.start()
    memory = filled()
    left_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left_bytes < 20 * 5_000  # as JSON, they would be 300 bytes each
    memory.save()
    assert len(read_sealed(tmp_path / "memory.json")["files"]) == 5_000
