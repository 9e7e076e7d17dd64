"""How fast: the arithmetic of waiting, without waiting."""

import asyncio
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagemake.config.run import Limits
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.rate_headers import drained_s, has_room, parse_reset_s, reading_of, total_tokens
from imagemake.stages.generate.rate_limit import SharedPace


def starts_of(limits, gaps, tokens=None):
    with tempfile.TemporaryDirectory() as folder:
        pace = SharedPace(Path(folder) / "pace.json", limits)
        now, starts = 1000.0, []
        for n, gap in enumerate(gaps):
            now += gap
            starts.append(now + pace.reserve(now, tokens[n % len(tokens)] if tokens else None))
    return starts


def within_a_minute(starts, start):
    return [n for n, other in enumerate(starts) if start <= other < start + 60 - 1e-6]


@pytest.mark.parametrize("by_s", [3600.0, 10 * 365 * 86_400.0])
def test_a_clock_that_is_set_back_holds_no_call_until_it_is_where_it_was(tmp_path, by_s):
    path, limits = tmp_path / "pace.json", Limits(images_per_min=60)
    before, now = 2_000_000_000.0, 2_000_000_000.0 - by_s
    wrong = SharedPace(path, limits, "m")
    for _ in range(5):
        wrong.reserve(before)
        wrong.start(before)
    wrong.hold_back(before + 30)
    right = SharedPace(path, limits, "m")
    assert right.held_back_s(now) == 0
    assert [right.reserve(now), right.reserve(now)] == [0.0, 1.0]
    assert right.start(now) == (now, "")


def test_clocks_of_nodes_that_differ_a_little_forget_nothing(tmp_path):
    path, limits = tmp_path / "pace.json", Limits(images_per_min=60)
    assert SharedPace(path, limits, "m").reserve(1000.0) == 0
    assert SharedPace(path, limits, "m").reserve(998.0) == pytest.approx(3.0)


gaps = st.lists(st.floats(0, 5), min_size=1, max_size=60)


@given(st.floats(1, 600), gaps)
def test_no_minute_holds_more_starts_than_the_rate(rate, gaps):
    starts = starts_of(Limits(images_per_min=rate), gaps)
    # Just below a whole number is that number: 60 / 20.1 s must not lose a call to how floats are rounded.
    assert all(len(within_a_minute(starts, start)) <= rate + 1e-6 for start in starts)


@given(st.integers(1, 10_000), st.floats(1, 100), gaps)
@example(tokens=2, calls=1.5, gaps=[0.0] * 9)
def test_no_minute_holds_more_tokens_than_the_rate(tokens, calls, gaps):
    starts = starts_of(Limits(tokens_per_min=tokens * calls), gaps, [tokens])
    assert all(len(within_a_minute(starts, start)) * tokens <= tokens * calls * (1 + 1e-6) for start in starts)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), gaps)
def test_calls_that_differ_exceed_the_rate_of_tokens_by_less_than_the_last_of_them(sizes, gaps):
    starts = starts_of(Limits(tokens_per_min=3000), gaps, sizes)
    for start in starts:
        inside = [sizes[n % len(sizes)] for n in within_a_minute(starts, start)]
        assert sum(inside) < 3000 + inside[-1]


@given(st.lists(st.integers(1, 6000), min_size=1, max_size=60), gaps)
def test_a_call_of_many_tokens_does_not_let_images_bunch_after_it(sizes, gaps):
    starts = starts_of(Limits(tokens_per_min=3000, images_per_min=20), gaps, sizes)
    assert all(later - earlier >= 3 - 1e-6 for earlier, later in pairwise(starts))


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


def test_starts_that_are_reserved_while_all_are_held_back_are_spaced_after_it(tmp_path):
    pace = SharedPace(tmp_path / "pace.json", Limits(requests_per_min=60))
    pace.hold_back(1030.0)
    assert [round(pace.reserve(1000.0)) for _ in range(3)] == [30, 31, 32]


def test_the_tokens_of_a_call_are_learned_and_shared_by_all_jobs(tmp_path):
    one, other = (SharedPace(tmp_path / "pace.json", Limits(tokens_per_min=6000)) for _ in range(2))
    assert one.reserve(1000.0) == 0.0
    one.count_tokens(1000.0, 900)
    one.count_tokens(1000.0, 1100)
    assert other.call_tokens() == pytest.approx(1000)
    other.reserve(2000.0)
    assert other.reserve(2000.0) == pytest.approx(10)


def test_calls_that_started_before_their_tokens_were_known_are_counted_when_they_are(tmp_path):
    pace = SharedPace(tmp_path / "pace.json", Limits(tokens_per_min=6000))
    assert [pace.reserve(1000.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    for _ in range(4):  # the fourth was counted when it started
        pace.count_tokens(1001.0, 1000)
    assert pace.reserve(1001.0) == pytest.approx(30)


@given(st.integers(1, 10**30))
def test_a_wrong_count_of_tokens_stops_all_jobs_for_a_minute_at_most(tokens):
    with tempfile.TemporaryDirectory() as folder:
        pace = SharedPace(Path(folder) / "pace.json", Limits(tokens_per_min=100))
        pace.reserve(1000.0)
        pace.count_tokens(1000.0, tokens)
        assert pace.reserve(1000.0) <= 60


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        "many",
        {},
        {"total_tokens": "9"},
        {"total_tokens": True},
        {"total_tokens": -5},
        {"total_tokens": 10**30},
    ],
)
def test_usage_that_counts_no_tokens_counts_none(usage):
    assert total_tokens(usage) == 0


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59_999))
def test_a_reset_is_read_as_the_api_writes_it(hours, minutes, ms):
    text = (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{ms / 1000:g}s"
    assert parse_reset_s(text) == pytest.approx(hours * 3600 + minutes * 60 + ms / 1000, abs=0.06)


def test_examples_of_resets_are_read_exactly():
    read = [parse_reset_s(text) for text in ("120ms", "58.891s", "6m0s", "1h0m0s", "0s", "7m12s")]
    assert read == pytest.approx([0.12, 58.891, 360, 3600, 0, 432])


@given(st.text() | st.text("0123456789.-+hms ٣", max_size=12))
@example("9" * 5000 + "s")
def test_a_text_is_a_time_or_none_and_never_negative_or_endless(text):
    read = parse_reset_s(text)
    assert read is None or 0 <= read < 1e13


@pytest.mark.parametrize("text", ["", "12", "-1s", "1e9s", "s", "1s1m", "1 s", "nan", "inf", "٣s", "1s\n"])
def test_what_is_no_time_is_not_read(text):
    assert parse_reset_s(text) is None


def rate_headers(name, remaining, reset):
    return {f"x-ratelimit-remaining-{name}": remaining, f"x-ratelimit-reset-{name}": reset}


@pytest.mark.parametrize("name", ["requests", "tokens", "input-images"])
def test_a_drained_limit_holds_back_until_its_reset(name):
    assert drained_s(rate_headers(name, "0", "2.5s"), 60) == 2.5
    assert drained_s(rate_headers(name, "1", "2.5s"), 60) == 0


def test_of_several_drained_limits_the_last_reset_counts():
    headers = rate_headers("requests", "0", "120ms") | rate_headers("tokens", "0", "6s")
    assert drained_s(headers, 60) == 6


def test_fewer_tokens_than_the_next_call_takes_count_as_none():
    assert drained_s(rate_headers("tokens", "1000", "6s"), 60, call_tokens=1756) == 6
    assert drained_s(rate_headers("tokens", "2000", "6s"), 60, call_tokens=1756) == 0


@given(st.text(max_size=9) | st.just("0"), st.text(max_size=9) | st.sampled_from(["999999h", "-5s", "9" * 99 + "s"]))
def test_no_header_holds_back_for_longer_than_the_longest_wait(remaining, reset):
    assert 0 <= drained_s(rate_headers("requests", remaining, reset), 60) <= 60


def test_a_job_without_a_rate_of_tokens_learns_what_a_call_takes_all_the_same(tmp_path):
    async def run():
        gate = Gate(8, SharedPace(tmp_path / "pace.json", Limits()))
        gate.heed(rate_headers("tokens", "1000", "30s"), {"total_tokens": 1756}, time.time())
        assert 25 < gate.pace.held_back_s(time.time()) <= 30

    asyncio.run(run())


def test_an_answer_that_drained_a_limit_holds_back_all_jobs(tmp_path):
    async def run():
        one, other = (Gate(8, SharedPace(tmp_path / "pace.json", Limits())) for _ in range(2))
        one.heed(rate_headers("input-images", "0", "30s"), None, time.time())
        assert 25 < other.pace.held_back_s(time.time()) <= 30
        assert one.allowed == 8

    asyncio.run(run())


@pytest.mark.parametrize("content", [b"{", b"[]", b"null"])
def test_a_broken_pace_file_only_costs_its_memory(tmp_path, content):
    path = tmp_path / "pace.json"
    path.write_bytes(content)
    assert SharedPace(path, Limits(images_per_min=60)).reserve(5.0) == 0.0


def test_a_gate_halves_when_told_to_slow_down_and_grows_back_to_its_tokens(tmp_path):
    async def run():
        gate = Gate(8, SharedPace(tmp_path / "pace.json", Limits()))
        gate.slow_down(time.time(), 0.0, asked=True)
        gate.slow_down(time.time(), 0.0, asked=True)
        assert gate.allowed == 2
        for _ in range(200):
            gate.went_well()
        assert gate.allowed == 8

    asyncio.run(run())


def test_calls_that_are_refused_together_halve_a_gate_once(tmp_path):
    async def run():
        gate = Gate(8, SharedPace(tmp_path / "pace.json", Limits()))
        started = time.time()
        for _ in range(8):
            gate.slow_down(started, 0.0, asked=False)
        assert gate.allowed == 4

    asyncio.run(run())


def test_a_refusal_without_a_wait_halves_and_stops_nobody_until_there_is_nothing_to_halve(tmp_path):
    async def run():
        gate = Gate(4, SharedPace(tmp_path / "pace.json", Limits()))
        for held_back_s in (0, 0, 30):
            gate.slow_down(time.time(), 30.0, asked=False)
            assert gate.pace.held_back_s(time.time()) == pytest.approx(held_back_s, abs=5)
        assert gate.allowed == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "limit", "room"),
    [
        (rate_headers("requests", "7", "1s"), "requests", True),
        (rate_headers("requests", "0", "1s"), "requests", False),
        (rate_headers("requests", "7", "1s"), "input-images", False),
        (rate_headers("requests", "many", "1s"), "requests", False),
        (rate_headers("tokens", "1000", "1s"), "tokens", False),
        (rate_headers("tokens", "2000", "1s"), "tokens", True),
        ({}, None, False),
    ],
)
def test_a_limit_has_room_only_where_the_headers_say_so(headers, limit, room):
    assert has_room(headers, limit, call_tokens=1756) is room


def test_calls_that_have_their_starts_when_all_are_held_back_start_apart_after_it(tmp_path):
    async def run():
        gate = Gate(8, SharedPace(tmp_path / "pace.json", Limits(requests_per_min=1200)))
        starts = []

        async def start():
            await gate.wait_for_start()
            starts.append(time.time())

        calls = [asyncio.create_task(start()) for _ in range(5)]
        await asyncio.sleep(0)  # now each has reserved its start
        until = time.time() + 0.4
        gate.pace.hold_back(until)
        await asyncio.gather(*calls)
        return until, sorted(starts)[1:]  # the first one had started

    until, starts = asyncio.run(run())
    assert starts[0] >= until - 0.01
    free = orjson.loads((tmp_path / "pace.json").read_bytes())["requests"]
    assert free >= until + 4 * 0.05 - 0.001, "at 20 a second, each of the four took a start of its own"


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


def test_a_place_that_gets_free_wakes_one_call_and_not_all_that_wait(tmp_path):
    async def run():
        gate = Gate(2, SharedPace(tmp_path / "pace.json", Limits()))
        looks, wait_for = 0, gate._changed.wait_for

        async def counted(free):
            def look():
                nonlocal looks
                looks += 1
                return free()

            return await wait_for(look)

        gate._changed.wait_for = counted

        async def call():
            async with gate:
                await asyncio.sleep(0)

        await asyncio.wait_for(asyncio.gather(*(call() for _ in range(200))), 30)
        assert looks < 1000

    asyncio.run(run())


def test_places_that_were_taken_away_and_come_back_are_all_used(tmp_path):
    async def run():
        gate = Gate(8, SharedPace(tmp_path / "pace.json", Limits()))
        inside, leave = 0, asyncio.Event()

        async def call():
            nonlocal inside
            async with gate:
                inside += 1
                await leave.wait()
                inside -= 1

        gate.slow_down(time.time(), 0.0, asked=False)  # 4 are left
        calls = [asyncio.create_task(call()) for _ in range(40)]
        await asyncio.sleep(0.01)
        assert inside == 4
        for _ in range(200):
            gate.went_well()
        leave.set()
        await asyncio.sleep(0)
        leave.clear()
        await asyncio.sleep(0.01)
        assert inside == 8
        leave.set()
        await asyncio.gather(*calls)

    asyncio.run(run())


def test_jobs_that_look_while_others_write_never_see_half_a_file(tmp_path):
    path, until = tmp_path / "pace.json", time.time() + 3600
    SharedPace(path, Limits(), "model").hold_back(until)
    stop = threading.Event()

    def write():
        pace = SharedPace(path, Limits(), "model")
        while not stop.is_set():
            pace.start(time.time())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        pace = SharedPace(path, Limits(), "model")
        assert all(pace.held_back_s(time.time()) > 3000 for _ in range(500))
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize(("reset", "is_believed"), [("60s", True), ("24h", True), ("25h", False), ("9999h", False)])
def test_a_limit_that_comes_back_after_more_than_a_day_is_not_believed(reset, is_believed):
    headers = {
        f"x-ratelimit-{what}-requests": n for what, n in {"limit": "9", "remaining": "0", "reset": reset}.items()
    }
    assert (reading_of(headers, "requests") is not None) == is_believed
