"""Whole runs on a real disk that is full: one line, nothing paid for is lost, and the next run pays nothing twice."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from workflow.project import Project


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 40 MB in memory."""
    folder = tmp_path / "project"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("mounts are not permitted here")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(1 << 12)):
            pass


def when(condition: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    def wait() -> None:
        while not condition():
            time.sleep(0.005)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_disk_that_fills_up_during_calls_loses_none_of_them_and_a_full_one_costs_no_call(disk, server, tmp_path):
    server.change(latency_s=0.3)
    made = Project(disk, server, limits={"in_flight": 2})
    filling = when(lambda: len(server.calls()) >= 1, lambda: fill(disk))
    told = made.snakemake(expect=1).stderr
    filling.join()
    assert "the disk is full. Free some space (df -h" in told
    assert "Traceback" not in told
    in_flight = made.calls()
    assert 0 < in_flight < 4
    assert len(made.raw_files()) + len(list(tmp_path.glob("state/*/*/raw/*/*/*"))) == in_flight

    told = made.snakemake(expect=3).stderr
    assert "the disk is full." in told
    assert "Traceback" not in told
    assert made.calls() == in_flight

    (disk / "filler").unlink()
    made.snakemake()
    assert made.calls() == 4
    assert len(made.images()) == 4
