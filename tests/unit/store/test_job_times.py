"""How long jobs took per image, from what they told of their progress."""

import time

import pytest

from imagemake.store.job_times import image_seconds, keep_job_times
from imagemake.store.layout import job_times_file, progress_folder
from imagemake.store.progress import JobProgress


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Lets a job work for some seconds on some images."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def worked(seconds, done, table="validated", name="a"):
        progress = JobProgress(tmp_path, tmp_path / table / f"{name}.jsonl", done)
        now[0] += seconds
        progress.end(done=done)

    return worked


def begin_run(work):
    """Do what a run does before its first job."""
    keep_job_times(work)
    for path in progress_folder(work).glob("*.json"):
        path.unlink()


def test_the_median_of_the_jobs_of_each_stage_counts_also_after_the_next_run_began(tmp_path, job):
    assert image_seconds(tmp_path) == {}
    for name, seconds in (("a", 20), ("b", 30), ("c", 400)):
        job(seconds, 100, name=name)
    job(5, 100, "postprocessed")
    assert image_seconds(tmp_path) == {"validated": 0.3, "postprocessed": 0.05}
    begin_run(tmp_path)
    assert image_seconds(tmp_path) == {"validated": 0.3, "postprocessed": 0.05}
    job(60, 100)
    job(60, 100, name="b")
    assert image_seconds(tmp_path)["validated"] == 0.6, "of 0.2, 0.3, 4, 0.6, and 0.6"


def test_only_the_last_jobs_count(tmp_path, job):
    job(900, 100)
    for _ in range(50):
        begin_run(tmp_path)
        job(20, 100)
    begin_run(tmp_path)
    assert image_seconds(tmp_path) == {"validated": 0.2}


def test_a_job_of_few_images_or_that_did_nothing_tells_nothing(tmp_path, job):
    job(20, 9)
    job(20, 0, name="b")
    begin_run(tmp_path)
    assert image_seconds(tmp_path) == {}
    assert not job_times_file(tmp_path).exists()


def test_a_damaged_file_costs_its_memory_only(tmp_path, job):
    job_times_file(tmp_path).write_bytes(b'{"validated":[1],"crc":"00000000"}')
    assert image_seconds(tmp_path) == {}
    job(20, 100)
    assert image_seconds(tmp_path) == {"validated": 0.2}
