"""The progress that jobs tell through files."""

import json

import pytest

from imagemake.store.layout import progress_file
from imagemake.store.progress import JobProgress, Progress, read_progress

TABLE = "project/work/generated/generate-1.jsonl"


@pytest.fixture
def path(tmp_path):
    return progress_file(tmp_path, tmp_path / TABLE)


def test_a_job_tells_how_much_it_will_do_and_in_the_end_what_it_did(tmp_path, path):
    job = JobProgress(tmp_path, tmp_path / TABLE, 20)
    assert read_progress(path) == Progress(images=20)
    job.update(done=3, in_flight=2)
    assert read_progress(path) == Progress(images=20), "at most once a second"
    job.end(done=18, failed=2)
    assert read_progress(path) == Progress(images=20, done=18, failed=2)


def test_after_a_second_it_tells_again(tmp_path, path, monkeypatch):
    monkeypatch.setattr("imagemake.store.progress.WRITE_EVERY_S", 0.0)
    job = JobProgress(tmp_path, tmp_path / TABLE, 20)
    job.update(done=3, waits_for="the rate limit", waits_until=12.5)
    assert read_progress(path) == Progress(20, 3, waits_for="the rate limit", waits_until=12.5)


def test_a_job_that_cannot_tell_works_on(tmp_path):
    (tmp_path / "progress").write_text("a file where a folder must be")
    JobProgress(tmp_path, tmp_path / TABLE, 1).end(done=1)
    JobProgress(None, tmp_path / TABLE, 1).end(done=1)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"done": "3"}', b'{"done": -1}', b'{"done": true}', b'{"cost_usd": "x"}', b"\xff", b'{"done": 1.5}'],
)
def test_a_damaged_file_counts_as_no_progress(path, content):
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert read_progress(path) == Progress()


def test_a_field_of_a_later_version_is_ignored(path):
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"done": 2, "cost_usd": 1, "mood": "good"}))
    assert read_progress(path) == Progress(done=2, cost_usd=1)


def test_two_jobs_add_up_and_the_longer_wait_counts():
    one, two = Progress(3, 2, 1, 1, 4, 0.5, "a batch", 0.0), Progress(5, 1, waits_for="the rate limit", waits_until=9.0)
    for total in (one + two, two + one):
        assert total == Progress(8, 3, 1, 1, 4, 0.5, "the rate limit", 9.0)
    assert (Progress() + one).waits_for == "a batch"
