"""Without a shared disk, the jobs of a run keep to its budget and its rates together."""

import time
from decimal import Decimal

import pytest

from imagemake.config.run import Budget, Limits
from imagemake.core.files import FileLock
from imagemake.core.sealed import DamagedStateError
from imagemake.stages.generate.rate_limit import interval_s, pace_of_job
from imagemake.store.remote.storage import Storage
from imagemake.store.spending import OverBudgetError
from imagemake.store.whole.leased_spending import NAME, LeasedSpendTracker
from imagemake.store.whole.shared_work import VARIABLE


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
