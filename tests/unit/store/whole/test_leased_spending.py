"""Without a shared disk, the jobs of a run keep to its budget and its rates together."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemake.config.run import Budget, Limits
from imagemake.core.files import FileLock
from imagemake.core.sealed import DamagedStateError
from imagemake.stages.generate.rate_limit import interval_s, pace_of_job
from imagemake.store.remote.storage import Storage
from imagemake.store.spending import OverBudgetError
from imagemake.store.whole.leased_spending import NAME, LeasedSpendTracker
from imagemake.store.whole.shared_work import VARIABLE

cents = st.integers(1, 50).map(lambda n: n / 100)


class Bucket:
    """Has claims on this disk."""

    def __init__(self, folder):
        self.folder, self.claims = folder, 0

    def claim(self, key):
        self.claims += 1
        return FileLock(self.folder / key)


@pytest.fixture
def bucket(tmp_path):
    return Bucket(tmp_path / "claims")


@pytest.fixture
def place(tmp_path):
    return Storage(f"memory://run-{tmp_path.name}", timeout_s=5)


def tracker(place, bucket, calls=2, **budget):
    return LeasedSpendTracker(place, bucket, Budget(**budget), calls)


def test_jobs_together_keep_to_the_budget_and_what_one_does_not_need_another_gets(place, bucket):
    tracker(place, bucket, run=1.0).open(Decimal(0))
    one, other = tracker(place, bucket, run=1.0), tracker(place, bucket, run=1.0)
    reserved = [one.reserve("a", 0.3), other.reserve("b", 0.2)]
    with pytest.raises(OverBudgetError, match=r"budget_usd\.run"):
        other.reserve("c", 0.3)
    assert other.left_out() == {"c"}
    one.record_cost(reserved[0], 0.1)
    one.close()
    assert other.reserve("c", 0.3) == Decimal("0.3")
    with pytest.raises(OverBudgetError):
        other.reserve("d", 0.5)


def test_what_earlier_runs_spent_counts_for_the_campaign(place, bucket):
    tracker(place, bucket, campaign=1.0).open(Decimal("0.8"))
    one = tracker(place, bucket, campaign=1.0)
    assert one.reserve("a", 0.15) == Decimal("0.15")
    with pytest.raises(OverBudgetError, match=r"budget_usd\.campaign"):
        one.reserve("b", 0.15)
    with pytest.raises(OverBudgetError, match="unknown"):
        one.reserve("c", None)


calls_of_jobs = st.lists(st.tuples(st.integers(0, 1), cents, st.none() | st.floats(0, 1)), max_size=20)


@settings(max_examples=50)
@given(calls_of_jobs, cents)
def test_no_order_of_calls_spends_more_than_the_budget_and_what_it_left_can_be_spent(calls, limit):
    with TemporaryDirectory() as folder:
        place, bucket = Storage(f"memory://{folder}", timeout_s=5), Bucket(Path(folder) / "claims")
        jobs = [tracker(place, bucket, run=limit) for _ in range(2)]
        jobs[0].open(Decimal(0))
        left = Decimal(str(limit))
        for job, worst_usd, share in calls:
            with suppress(OverBudgetError):
                reserved = jobs[job].reserve("key", worst_usd)
                cost_usd = None if share is None else round(worst_usd * share, 3)
                jobs[job].record_cost(reserved, cost_usd)
                left -= reserved if cost_usd is None else Decimal(str(cost_usd))
            assert left >= 0
        for job in (*jobs, *jobs):  # a job that ends twice gives back once
            job.close()
        assert jobs[0].reserve("rest", float(left)) == left
        with pytest.raises(OverBudgetError):
            jobs[1].reserve("more", 0.001)


def test_a_job_that_cannot_take_much_takes_what_it_lacks(place, bucket):
    one = tracker(place, bucket, run=0.5)
    one.open(Decimal(0))
    assert one.reserve("a", 0.2) == Decimal("0.2")
    assert one.reserve("b", 0.3) == Decimal("0.3")


def test_jobs_that_ask_at_the_same_time_stay_within_the_budget(place, bucket, monkeypatch):
    tracker(place, bucket, run=1.0).open(Decimal(0))
    read = LeasedSpendTracker._read

    def read_slowly(self):
        state = read(self)
        time.sleep(0.002)
        return state

    def job(number):
        own, fit = tracker(place, bucket, calls=1, run=1.0), 0
        for call in range(5):
            with suppress(OverBudgetError):
                own.reserve(f"{number}-{call}", 0.1)
                fit += 1
        return fit

    monkeypatch.setattr(LeasedSpendTracker, "_read", read_slowly)
    with ThreadPoolExecutor(4) as jobs:
        assert sum(jobs.map(job, range(4))) == 10


def test_without_a_budget_nobody_is_asked(place, bucket):
    one = tracker(place, bucket)
    assert one.reserve("a", 1e6) == 0
    one.record_cost(Decimal(0), 1e6)
    one.close()
    assert bucket.claims == 0


def test_a_job_asks_the_bucket_once_for_many_calls(place, bucket):
    tracker(place, bucket, run=100.0).open(Decimal(0))
    one = tracker(place, bucket, calls=10, run=100.0)
    before = bucket.claims
    for n in range(30):
        one.record_cost(one.reserve(f"k{n}", 0.1), 0.05)
    assert bucket.claims - before <= 3


def test_the_calls_of_a_batch_are_asked_for_at_once(place, bucket):
    tracker(place, bucket, run=100.0).open(Decimal(0))
    one, before = tracker(place, bucket, calls=1, run=100.0), bucket.claims
    reserved = one.reserve_all({f"k{n}": 0.1 for n in range(30)})
    assert set(reserved.values()) == {Decimal("0.1")}
    assert bucket.claims - before == 1


def test_a_damaged_file_stops_the_job_because_the_budget_could_be_exceeded(place, bucket):
    place.put(NAME, b'{"run":"0","crc":"00000000"}', "application/json")
    with pytest.raises(DamagedStateError):
        tracker(place, bucket, run=1.0).reserve("a", 0.1)


def test_the_shares_of_jobs_add_up_to_the_rate_also_when_one_follows_another(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "s3://bucket/run")
    limits = Limits(in_flight=8, requests_per_min=60.0)
    pace = pace_of_job(tmp_path / "a.json", limits, "m", paid=True, calls=4, most=8)
    now = time.time()
    first, second = pace.reserve(now), pace.reserve(now)
    assert second - first == pytest.approx(interval_s(30, 1))
    assert first > 0, "the job that had this share before may have just made a call"

    monkeypatch.delenv(VARIABLE)
    shared = pace_of_job(tmp_path / "b.json", limits, "m", paid=True, calls=4, most=8)
    assert shared.reserve(0.0) == 0
    assert shared.reserve(0.0) == pytest.approx(interval_s(60, 1))
