"""Folders that DVC has as they are: whatever changes one of them makes DVC look again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from imagemake.versions.tracked import CACHE, TrackedFolders

SHARD = Path("store/raw/0")
DIGEST = "0123456789abcdef.dir"


@pytest.fixture
def root(tmp_path):
    """A project whose folder was added a minute ago."""
    for name in ("00/a.png", "00/b.png", "01/c.png"):
        (tmp_path / SHARD / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / SHARD / name).touch()
    listing = tmp_path / CACHE / DIGEST[:2] / DIGEST[2:]
    listing.parent.mkdir(parents=True)
    listing.touch()
    add(tmp_path, n_files=3)
    return tmp_path


def add(root, n_files):
    """Write what `dvc add` writes."""
    (root / f"{SHARD}.dvc").write_text(f"outs:\n- md5: {DIGEST}\n  nfiles: {n_files}\n  path: '0'\n")
    for folder, _, _ in os.walk(root / SHARD):
        os.utime(folder, (time.time() - 60,) * 2)
    TrackedFolders(root).note([SHARD])


def test_a_folder_that_is_as_it_was_added_needs_no_look(root):
    assert TrackedFolders(root).changed([SHARD]) == []
    assert TrackedFolders(root).changed([SHARD, Path("store/raw/1")]) == [Path("store/raw/1")]


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / SHARD / "01" / "d.png").touch(),
        lambda root: (root / SHARD / "00" / "a.png").unlink(),
        lambda root: (root / SHARD / "00" / "a.png").rename(root / SHARD / "00" / "b.png"),
        lambda root: (root / SHARD / "02").mkdir(),
        lambda root: (root / f"{SHARD}.dvc").unlink(),
        lambda root: (root / f"{SHARD}.dvc").write_text("outs:\n- md5: 0123456789abcdef.dir\n  nfiles: 9\n"),
        lambda root: (root / CACHE / DIGEST[:2] / DIGEST[2:]).unlink(),
        lambda root: (root / "work" / "tracked.json").write_text("{}"),
    ],
    ids=["added", "removed", "replaced", "folder", "no .dvc", "other .dvc", "no cache", "no note"],
)
def test_each_change_is_seen(root, change):
    change(root)
    assert TrackedFolders(root).changed([SHARD]) == [SHARD]


def test_a_folder_into_which_somebody_wrote_meanwhile_is_looked_at_again(root):
    add(root, n_files=2)
    assert TrackedFolders(root).changed([SHARD]) == [SHARD]


def test_a_folder_that_changed_just_now_is_looked_at_again(root):
    os.utime(root / SHARD / "01", (time.time() + 5,) * 2)
    TrackedFolders(root).note([SHARD])
    assert TrackedFolders(root).changed([SHARD]) == [SHARD]
