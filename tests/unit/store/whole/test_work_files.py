"""What jobs without a shared disk and their run tell each other by a bucket; a folder is one too."""

import time

import pytest

from imagemake.store.layout import progress_folder, stopping_file
from imagemake.store.remote.storage import Storage
from imagemake.store.whole import work_files
from imagemake.store.whole.work_files import bring_here, bringing_progress, clear_progress, heeding_stop, tell_to_stop


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(work_files, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(work_files, "TELL_EVERY_S", 0.1)
    (tmp_path / "bucket").mkdir()
    return Storage(str(tmp_path / "bucket"), timeout_s=5)


@pytest.fixture
def works(tmp_path):
    """Folders of the run and of a job."""
    found = [tmp_path / name / "work" for name in ("run", "job")]
    for work in found:
        progress_folder(work).mkdir(parents=True)
    return found


def wait_until(is_so):
    end_s = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_a_run_sees_the_progress_of_a_job_while_it_works_and_what_it_told_last(place, works):
    run, job = works
    theirs, here = (progress_folder(work) / "generated-a.json" for work in (job, run))
    with bringing_progress(place, run), heeding_stop(place, job):
        theirs.write_bytes(b"1")
        wait_until(lambda: here.exists() and here.read_bytes() == b"1")
    with heeding_stop(place, job):
        theirs.write_bytes(b"2")
    bring_here(place, run.parent, [here, run.parent / "logs" / "missing.log"])
    assert here.read_bytes() == b"2"
    clear_progress(place, run)
    assert not place.list("work")


def test_a_job_hears_that_its_run_stops(place, works):
    run, job = works
    with heeding_stop(place, job):
        tell_to_stop(place, run)
        wait_until(stopping_file(job).exists)
