"""Files are complete or not there, keep to the umask, and what kills leave behind is swept."""

import os
import subprocess
import sys
import threading
import time

from imagemake.core.files import FileLock, sweep_locks, sweep_unfinished, write_whole


def test_the_umask_is_respected(tmp_path):
    program = (
        "import os; os.umask(0o077)\n"
        "from pathlib import Path; from imagemake.core.files import write_whole\n"
        f"write_whole(Path({str(tmp_path / 'a')!r}), b'')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_every_new_folder_of_what_was_paid_for_is_forced_to_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("imagemake.core.files.sync_folder", synced.append)
    write_whole(tmp_path / "store" / "raw" / "a.png", b"", durable=True)
    assert synced == [tmp_path, tmp_path / "store", tmp_path / "store" / "raw"]
    synced.clear()
    write_whole(tmp_path / "store" / "raw" / "b.png", b"", durable=True)
    assert synced == [tmp_path / "store" / "raw"]


def test_what_a_killed_process_was_writing_is_swept_at_once_and_what_a_live_one_writes_never(tmp_path, monkeypatch):
    program = (
        "import os, sys; from pathlib import Path; from imagemake.core import files\n"
        "def stop(*_): print('writing', flush=True); sys.stdin.read()\n"
        "files.os.replace = stop; files.write_whole(Path(sys.argv[1]) / 'below' / 'a.png', b'half')"
    )
    run = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"writing\n"
        (half,) = (tmp_path / "below").iterdir()
        os.utime(half, (1, 1))
        assert sweep_unfinished(tmp_path) == (0, 1)
        other.kill()
    assert sweep_unfinished(tmp_path, unchanged_since=1.0) == (1, 0)
    assert list((tmp_path / "below").iterdir()) == []


def test_a_folder_that_has_not_changed_is_not_listed_but_its_subfolders_are(tmp_path):
    for folder in ("whole", "whole/changed", "unchanged"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ".writing-old").touch()
        os.utime(tmp_path / folder / ".writing-old", (1, 1))
    for folder in ("whole", "unchanged"):
        os.utime(tmp_path / folder, (1, 1))
    assert sweep_unfinished(tmp_path, unchanged_since=2.0) == (2, 0)
    assert [path.parent.name for path in tmp_path.rglob(".writing-old")] == ["unchanged"]


def test_locks_that_nobody_holds_are_swept_and_held_ones_stay(tmp_path):
    left, held = tmp_path / "left", FileLock(tmp_path / "held")
    left.touch()
    with held:
        assert sweep_locks(tmp_path.iterdir()) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["held"]
        assert not FileLock(held.path).acquire(wait=False)


def test_only_old_unfinished_files_are_swept(tmp_path):
    (tmp_path / "below").mkdir()
    old, young, whole = (tmp_path / "below" / name for name in (".writing-old", ".writing-young", "whole"))
    for path in (old, young, whole):
        path.write_bytes(b"half")
    for path in (old, whole):
        os.utime(path, (1, 1))
    assert sweep_unfinished(tmp_path) == (1, 1)
    assert sorted(path.name for path in (tmp_path / "below").iterdir()) == [".writing-young", "whole"]
    assert sweep_unfinished(tmp_path / "nowhere") == (0, 0)


def test_whoever_waits_for_a_lock_whose_file_is_removed_holds_the_file_of_that_name(tmp_path):
    """Else a third process would make the file anew and hold the same claim: both would pay."""
    path = tmp_path / "claim"
    first, second, third = (FileLock(path) for _ in range(3))
    first.acquire()
    waiting = threading.Thread(target=second.acquire)
    waiting.start()
    time.sleep(0.1)  # it has opened the file, and waits
    first.release(remove=True)
    waiting.join()
    assert not third.acquire(wait=False)
    second.release(remove=True)
    assert third.acquire(wait=False)
    third.release()
