"""One run at a time in a folder, and what others see of it."""

import fcntl
import os
import time

import pytest

from imagemake.core.problems import UserError
from imagemake.store.layout import WORK, run_lock_file
from imagemake.workflow.run_lock import acquire_run_lock, active_words, hold_run_lock


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_plan_says_that_a_run_is_active_while_it_is_and_creates_no_file(tmp_path):
    assert active_words() == []
    assert list(tmp_path.iterdir()) == []
    with hold_run_lock():
        (words,) = active_words()
        assert "Another run is active" in words
        with pytest.raises(UserError, match="Another run is active"):
            acquire_run_lock()
    assert active_words() == []


def test_a_disk_that_has_no_locks_fails_no_plan(monkeypatch):
    with hold_run_lock():
        pass
    monkeypatch.setattr(fcntl, "flock", lambda handle, how: os.read(-1, 1))
    assert active_words() == []


def test_a_plan_that_looks_at_the_lock_keeps_no_run_from_beginning(monkeypatch):
    with hold_run_lock():
        pass
    looking = os.open(run_lock_file(WORK), os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda seconds: os.close(looking))
    acquire_run_lock().release()
