"""What a run shows while it works, as text."""

from dataclasses import replace
from datetime import datetime

import pytest

from imagemake.core.gpus import Reading
from imagemake.store.progress import Progress
from imagemake.store.seen_gpus import SeenGpu
from imagemake.workflow.console.jobs import Job, Jobs
from imagemake.workflow.console.outlook import Outlook, together
from imagemake.workflow.console.standing import Pace, Standing, gpu_words, standing
from imagemake.workflow.console.words import duration, full_line, live_line

BUSY = Standing(
    wanted=1500,
    done=412,
    generated=800,
    checked=640,
    finished=400,
    review=7,
    failed=3,
    in_flight=8,
    per_min=57.4,
    limit_per_min=60,
    cost_usd=12.3,
    expected_usd=61.5,
    left_s=3725,
)
CLOCK = datetime(2026, 11, 27, 4, 5, 6)


def test_a_line_for_a_log_tells_everything():
    assert full_line(BUSY, CLOCK) == (
        "04:05:06 412 of 1,500 images done: 800 generated, 640 checked, 400 finished, 7 waiting for review, 3 failed; "
        "57.4 of 60 images/min; $12.30 of about $61.50; 1 h 02 min left"
    )


def test_a_line_for_a_log_tells_what_is_being_waited_for_and_until_when():
    until = datetime(2026, 11, 27, 4, 6).timestamp()
    now = Standing(wanted=9, waits_for="the rate limit", waits_until=until)
    assert full_line(now, CLOCK) == "04:05:06 0 of 9 images done: waiting for the rate limit until 04:06:00"


@pytest.mark.parametrize("width", [79, 60, 40, 20, 7, 1])
def test_the_live_line_fits_any_terminal(width):
    line = live_line(BUSY, width)
    assert 0 < len(line) <= width
    assert "412 of 1,500 done".startswith(line[:17])


def test_what_matters_most_is_on_80_columns():
    assert live_line(BUSY, 79) == "412 of 1,500 done | 3 failed | $12.30 of about $61.50 | 1 h 02 min left"


def test_a_wait_is_told_before_counts():
    waiting = Standing(**{**{name: getattr(BUSY, name) for name in BUSY.__slots__}, "waits_for": "the rate limit"})
    assert "the rate limit" in live_line(waiting, 79)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (3600, "1 h 00 min"), (86399, "24 h 00 min")]
)
def test_durations_are_short(seconds, words):
    assert duration(seconds) == words


def after(moments, outlook):
    pace = Pace()
    for seconds, generated, checked, finished in moments:
        found = standing(
            outlook,
            {
                "generated": Progress(images=100, done=generated, cost_usd=0.1 * generated),
                "validated": Progress(images=100, done=checked),
                "postprocessed": Progress(images=100, done=finished, review=2),
            },
            pace,
            seconds,
        )
    return found


def test_the_pace_is_that_of_the_last_minute_and_the_slowest_stage_tells_the_time_left():
    outlook = Outlook(wanted=120, done=20, to_generate=100, cost_usd=10.0, per_min=60)
    moments = [(0, 0, 0, 0), (10, 1, 0, 0), (60, 40, 20, 10), (120, 80, 50, 40)]
    found = after(moments, outlook)
    assert (found.done, found.generated, found.checked, found.finished) == (60, 80, 50, 40)
    assert (found.per_min, found.limit_per_min) == (40, 60)
    assert found.left_s == pytest.approx(58 / (30 / 60))  # 98 to finish without those for review, 30 a minute
    assert found.cost_usd == pytest.approx(8.0)


def test_there_is_no_pace_and_no_time_left_before_something_moved():
    outlook = Outlook(wanted=10, to_generate=10)
    assert after([(0, 0, 0, 0)], outlook).per_min is None
    assert after([(0, 0, 0, 0), (30, 0, 0, 0)], outlook).left_s is None


def test_a_stage_includes_the_smaller_one_and_two_projects_add_up():
    pilot, full = Outlook(wanted=5, to_generate=5, cost_usd=1), Outlook(wanted=50, to_generate=40, cost_usd=None)
    assert together([pilot, full]) is full
    both = pilot + full
    assert (both.wanted, both.to_generate, both.cost_usd) == (55, 45, None)


def seen(**reading):
    return SeenGpu("GPU-1", "NVIDIA T4", Reading(**reading))


def test_cards_are_told_together_with_what_needs_attention():
    one = seen(utilization=0.9, used_bytes=18 * 2**30, total_bytes=24 * 2**30, temperature_c=71, power_w=310.4)
    assert gpu_words([one]) == "GPU 90%, 18 of 24 GiB, 71 °C, 310 W"
    hot = seen(utilization=0.5, temperature_c=92, power_w=100, slowed=frozenset({"too hot", "power limit"}))
    assert gpu_words([one, hot]) == "GPUs (2) 70%, 18 of 24 GiB, 92 °C, 410 W, throttled: too hot"
    assert gpu_words([seen()]) == "GPU"
    assert gpu_words([]) == ""
    assert "; GPU 90%; " in full_line(replace(BUSY, gpus="GPU 90%"), CLOCK)
    assert "GPU" in live_line(replace(BUSY, gpus="GPU 90%"), 200)
    assert "GPU" not in live_line(replace(BUSY, gpus="GPU 90%"), 80)


def test_the_cards_of_running_jobs_are_looked_for_in_the_folders_of_these_jobs(tmp_path):
    jobs = Jobs()
    jobs.add(1, Job.of(tmp_path, "generate", ["shop/work/generated/a.jsonl"], []))
    jobs.add(2, Job.of(tmp_path, "release", ["results/manifest.csv"], []))
    assert jobs.work_folders() == {tmp_path / "shop" / "work"}
    jobs.end(1)
    assert jobs.work_folders() == set()


def test_a_job_elsewhere_has_its_log_and_progress_where_one_on_this_disk_has_them(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEMAKE_WORK", "s3://ours/runs/me")
    names = [
        f"s3://ours/runs/me/{name} (send to storage)" for name in ("work/generated/a.jsonl", "logs/generate/a.log")
    ]
    here = Job.of(tmp_path, "generate", ["work/generated/a.jsonl"], ["logs/generate/a.log"])
    elsewhere = Job.of(tmp_path, "generate", names[:1], names[1:])
    assert elsewhere == replace(here, is_elsewhere=True)
