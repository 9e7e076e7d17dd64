"""A limit that only headers tell is kept without a refusal, and nearly as fast as it allows. Times are simulated."""

import asyncio
import heapq
import random
import tempfile
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemake.config.run import Limits
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.rate_limit import SharedPace

START_S = 1_000_000.0


class Bucket:
    """OpenAI's way: refills evenly; the reset is when it will be full."""

    def __init__(self, limit, window_s, told):
        self.limit, self.window_s, self.told = limit, window_s, told
        self.level, self.at = float(limit), START_S

    def ask(self, now):
        self.level = min(self.limit, self.level + (now - self.at) * self.limit / self.window_s)
        self.at = now
        fits = self.level >= 1
        self.level -= fits
        return fits, int(self.level), (self.limit - self.level) * self.window_s / self.limit

    def optimum_s(self, n, call_s):
        return max(max(0, n - self.limit) * self.window_s / self.limit, n * call_s)


class Fixed:
    """Everything is back when the window ends; windows begin with a call, or by the server's clock."""

    def __init__(self, limit, window_s, told, offset_s=None):
        self.limit, self.window_s, self.told, self.offset_s = limit, window_s, told, offset_s
        self.used, self.ends = 0, START_S - 1 if offset_s is None else START_S + offset_s

    def ask(self, now):
        if now >= self.ends:
            late = now - self.ends
            first = now if self.offset_s is None else now - late % self.window_s
            self.used, self.ends = 0, first + self.window_s
        fits = self.used < self.limit
        self.used += fits
        return fits, self.limit - self.used, self.ends - now

    def optimum_s(self, n, call_s):
        return max(of_windows(self, n, call_s) - (self.window_s - self.offset_s if self.offset_s else 0), n * call_s)


class Sliding:
    """Each call comes back a window after it was made; the reset is when the oldest, or the newest one does."""

    def __init__(self, limit, window_s, told, newest=False):
        self.limit, self.window_s, self.told, self.newest = limit, window_s, told, newest
        self.calls = deque()

    def ask(self, now):
        while self.calls and self.calls[0] <= now - self.window_s:
            self.calls.popleft()
        fits = len(self.calls) < self.limit
        if fits:
            self.calls.append(now)
        at = self.calls[-1] if self.newest else self.calls[0]
        return fits, self.limit - len(self.calls), at + self.window_s - now

    def optimum_s(self, n, call_s):
        return of_windows(self, n, call_s)


def of_windows(server, n, call_s):
    """Return the least time: full windows, and the calls of the last one, at a time per call that in_flight allows."""
    full = -(-n // server.limit) - 1
    return max(full * server.window_s + (n - full * server.limit) * call_s, n * call_s)


def duration(seconds):
    return f"{max(1, round(1000 * seconds))}ms"


def whole_seconds(seconds):
    return f"{max(1, -int(-seconds // 1))}s"


def simulate(folder, server, n, jobs=1, in_flight=8, latency_s=4.0, seed=1):
    """Make n calls, and return the number of refusals and the time from the first to the last response."""
    rng = random.Random(seed)
    paces = [SharedPace(folder / "pace.json", Limits(), "m") for _ in range(jobs)]
    left, refused, ended, order = n, 0, START_S, 0
    events = [(START_S + 1e-4 * k, k, "ask", paces[k % jobs], None) for k in range(jobs * in_flight)]
    heapq.heapify(events)
    while events:
        now, _, what, pace, data = heapq.heappop(events)
        order += 1
        if what == "ask":
            if left:
                start, limit = pace.start(now)
                arrives = start if limit else now + rng.uniform(0.005, 0.08)
                left -= not limit
                heapq.heappush(events, (arrives, 100 + order, "ask" if limit else "serve", pace, start))
        elif what == "serve":
            fits, remaining, reset_s = server.ask(now)
            answers = now + (latency_s * rng.uniform(0.7, 1.3) if fits else 0.05)
            told = {"limit": server.limit, "remaining": remaining, "reset": server.told(reset_s)}
            headers = {f"x-ratelimit-{name}-requests": str(value) for name, value in told.items()}
            heapq.heappush(events, (answers, 100 + order, "answer", pace, (data, headers, fits)))
        else:
            start, headers, fits = data
            refused, left, ended = refused + (not fits), left + (not fits), max(ended, now)
            pace.learn(headers, start, now, refused=not fits)
            heapq.heappush(events, (now + 0.01, 100 + order, "ask", pace, None))
    return refused, ended - START_S


SERVERS = {
    "a bucket": lambda limit: Bucket(limit, 60, duration),
    "a bucket that tells whole seconds": lambda limit: Bucket(limit, 60, whole_seconds),
    "a window from the first call": lambda limit: Fixed(limit, 60, duration),
    "a window by the clock": lambda limit: Fixed(limit, 60, duration, offset_s=45),
    "a window that tells whole seconds": lambda limit: Fixed(limit, 60, whole_seconds),
    "a sliding window, oldest": lambda limit: Sliding(limit, 60, duration),
    "a sliding window, newest": lambda limit: Sliding(limit, 60, duration, newest=True),
}


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize(("limit", "n", "jobs"), [(20, 50, 1), (60, 200, 2)])
def test_no_call_is_refused_and_the_time_is_nearly_the_least(tmp_path, name, limit, n, jobs):
    server = SERVERS[name](limit)
    in_flight, latency_s = 8 * jobs, 4.0
    refused, took_s = simulate(tmp_path, server, n, jobs, latency_s=latency_s)
    least_s = server.optimum_s(n, latency_s / in_flight) + latency_s
    print(f"{name}: {limit} per minute, {n} calls: {refused} refused, {took_s:.0f} s, {took_s / least_s:.2f}")
    assert refused == 0
    assert took_s <= 1.15 * least_s


NUMBERS = st.integers(0, 10**16).map(str) | st.text("0123456789.-e", max_size=9)
RESETS = st.floats(0, 1e9).map("{:g}s".format) | st.text("0123456789.hms", max_size=9)


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, RESETS), min_size=1, max_size=12))
def test_no_header_makes_a_job_fail_or_wait_forever(told):
    with tempfile.TemporaryDirectory() as folder:
        pace = SharedPace(Path(folder) / "pace.json", Limits(), "m")
        for n, values in enumerate(told):
            names = [f"x-ratelimit-{what}-tokens" for what in ("limit", "remaining", "reset")]
            start, _ = pace.start(START_S + n)
            pace.learn(dict(zip(names, values, strict=True)), min(start, START_S + n), START_S + n + 0.5)
        at, limit = pace.start(START_S + 100)
        assert at == START_S + 100 or limit == "tokens"


def test_what_is_waited_for_is_told_with_its_time(tmp_path):
    async def run():
        gate = Gate(8, SharedPace(tmp_path / "pace.json", Limits(longest_wait_s=30)))
        for _ in range(2):
            started = await gate.wait_for_start()
        names = {"limit": "2", "remaining": "0", "reset": "25s"}
        headers = {f"x-ratelimit-{name}-requests": value for name, value in names.items()}
        gate.heed(headers, None, started)
        waits = asyncio.create_task(gate.wait_for_start())
        await asyncio.sleep(0)
        told = gate.waits_for
        gate.stopping.set()
        await waits
        return *told, started

    what, until, started = asyncio.run(run())
    assert what == "the server's limit of requests"
    assert 24 < until - started < 27


def test_starts_of_free_calls_are_not_written_down(tmp_path):
    pace = SharedPace(tmp_path / "pace.json", Limits(), "preview-1", paid=False)
    assert pace.start(START_S) == (START_S, "")
    assert not list(tmp_path.iterdir())


def test_a_reset_that_cannot_be_right_holds_a_call_back_for_the_longest_wait(tmp_path):
    async def run(reset):
        gate = Gate(8, SharedPace(tmp_path / f"{reset}.json", Limits(longest_wait_s=0.2)))
        started = await gate.wait_for_start()
        names = {"limit": "1", "remaining": "0", "reset": reset}
        gate.heed({f"x-ratelimit-{name}-requests": value for name, value in names.items()}, None, started)
        return await asyncio.wait_for(gate.wait_for_start(), 20) - started

    assert 0.2 <= asyncio.run(run("3h0m0s")) < 10
