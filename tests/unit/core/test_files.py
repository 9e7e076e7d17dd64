"""Files are complete or not there, keep to the umask, and what kills leave behind is swept."""

import os
import subprocess
import sys

from imagemake.core.files import sweep_unfinished, write_whole


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


def test_only_old_unfinished_files_are_swept(tmp_path):
    (tmp_path / "below").mkdir()
    old, young, whole = (tmp_path / "below" / name for name in (".writing-old", ".writing-young", "whole"))
    for path in (old, young, whole):
        path.write_bytes(b"half")
    for path in (old, whole):
        os.utime(path, (1, 1))
    assert sweep_unfinished(tmp_path) == 1
    assert sorted(path.name for path in (tmp_path / "below").iterdir()) == [".writing-young", "whole"]
    assert sweep_unfinished(tmp_path / "nowhere") == 0
