"""How fast: the arithmetic of waiting, without waiting."""

import asyncio
import time

from hypothesis import given
from hypothesis import strategies as st

from imagemake.limits import Gate, Limits, SharedPace, backoff_s

draws = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 40), draws)
def test_a_wait_never_exceeds_the_longest(tries, draw):
    limits = Limits(first_wait_s=1, longest_wait_s=60)
    assert 0 <= backoff_s(limits, tries, None, draw) <= 60


@given(st.integers(1, 40), st.floats(0, 300), draws)
def test_a_wait_is_never_shorter_than_the_server_asked_for(tries, asked_s, draw):
    assert backoff_s(Limits(), tries, asked_s, draw) >= asked_s


def test_waits_double_from_try_to_try():
    limits = Limits(first_wait_s=1, longest_wait_s=60)
    assert [backoff_s(limits, tries, None, 0.999) for tries in range(1, 9)] == [
        0.999 * most for most in (1, 2, 4, 8, 16, 32, 60, 60)
    ]


@given(st.integers(1, 600), st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_no_minute_holds_more_starts_than_the_rate(rate, gaps):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        pace = SharedPace(Path(folder) / "pace.json", Limits(images_per_min=rate))
        now, starts = 1000.0, []
        for gap in gaps:
            now += gap
            starts.append(now + pace.reserve(now))
    for start in starts:
        assert sum(start <= other < start + 60 - 1e-6 for other in starts) <= rate


def test_two_jobs_share_one_rate(tmp_path):
    jobs = [SharedPace(tmp_path / "pace.json", Limits(requests_per_min=60)) for _ in range(2)]
    waits = [jobs[n % 2].reserve(1000.0) for n in range(4)]
    assert [round(wait) for wait in waits] == [0, 1, 2, 3]


def test_the_slower_of_two_rates_counts(tmp_path):
    pace = SharedPace(tmp_path / "pace.json", Limits(requests_per_min=600, images_per_min=6))
    assert [pace.reserve(0.0) for _ in range(3)] == [0.0, 10.0, 20.0]


def test_one_job_that_is_told_to_slow_down_holds_back_the_others(tmp_path):
    one, other = (SharedPace(tmp_path / "pace.json", Limits()) for _ in range(2))
    one.hold_back(1030.0)
    one.hold_back(1010.0)
    assert other.held_back_s(1000.0) == 30.0
    assert other.held_back_s(1031.0) == 0.0


def test_a_broken_pace_file_only_costs_its_memory(tmp_path):
    path = tmp_path / "pace.json"
    path.write_bytes(b"{")
    assert SharedPace(path, Limits(images_per_min=60)).reserve(5.0) == 0.0


def test_a_gate_halves_when_told_to_slow_down_and_grows_back_to_its_tokens(tmp_path):
    async def run():
        gate = Gate(8, SharedPace(tmp_path / "pace.json", Limits()))
        gate.slow_down(0.0)
        gate.slow_down(0.0)
        assert gate.allowed == 2
        for _ in range(200):
            gate.went_well()
        assert gate.allowed == 8

    asyncio.run(run())


def test_a_gate_lets_no_more_in_than_it_allows(tmp_path):
    async def run():
        gate = Gate(3, SharedPace(tmp_path / "pace.json", Limits()))
        inside = most = 0

        async def call():
            nonlocal inside, most
            async with gate:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(call() for _ in range(30)))
        assert most == 3

    asyncio.run(run())


def test_a_pause_ends_at_once_when_the_job_is_to_stop(tmp_path):
    async def run():
        gate = Gate(1, SharedPace(tmp_path / "pace.json", Limits()))
        pause = asyncio.create_task(gate.pause(3600))
        await asyncio.sleep(0)
        gate.stopping.set()
        await asyncio.wait_for(pause, 5)

    before = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - before < 60
