"""Budgets are never exceeded, in any order of jobs, counting calls in flight at their worst-case cost."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.run import Budget
from imagemake.core.sealed import DamagedStateError
from imagemake.store.journal import Call, Journal, Outcome
from imagemake.store.spending import OverBudgetError, SpendTracker, spent_in, spent_usd

cents = st.integers(1, 50).map(lambda n: n / 100)


@pytest.fixture
def spend_tracker(tmp_path):
    def make(**limits):
        made = SpendTracker(tmp_path / "spending.json", Budget(**limits))
        made.open(Decimal(0))
        return made

    return make


def test_what_fits_is_reserved_and_what_does_not_is_left_out(spend_tracker):
    made = spend_tracker(run=0.25)
    made.reserve("a", 0.1)
    made.reserve("b", 0.1)
    with pytest.raises(OverBudgetError, match=r"budget_usd\.run, \$0\.25"):
        made.reserve("c", 0.1)
    assert made.left_out() == {"c"}


def test_jobs_that_reserve_at_the_same_time_stay_within_the_budget(tmp_path, monkeypatch):
    path, read = tmp_path / "spending.json", SpendTracker._read
    SpendTracker(path, Budget(run=1.0)).open(Decimal(0))

    def read_slowly(self):
        state = read(self)
        time.sleep(0.002)
        return state

    def job(number):
        own, fit = SpendTracker(path, Budget(run=1.0)), 0
        for call in range(5):
            with suppress(OverBudgetError):
                own.reserve(f"{number}-{call}", 0.1)
                fit += 1
        return fit

    monkeypatch.setattr(SpendTracker, "_read", read_slowly)
    with ThreadPoolExecutor(4) as jobs:
        assert sum(jobs.map(job, range(4))) == 10


def test_what_a_call_did_not_cost_is_there_for_the_next(spend_tracker):
    made = spend_tracker(run=0.2)
    made.record_cost(made.reserve("a", 0.2), 0.05)
    made.record_cost(made.reserve("b", 0.15), 0.15)
    with pytest.raises(OverBudgetError):
        made.reserve("c", 0.01)


def test_an_unknown_cost_keeps_its_worst_case(spend_tracker):
    made = spend_tracker(run=0.2)
    made.record_cost(made.reserve("a", 0.15), None)
    with pytest.raises(OverBudgetError):
        made.reserve("b", 0.1)


def test_earlier_runs_count_in_the_campaigns_budget(tmp_path):
    made = SpendTracker(tmp_path / "spending.json", Budget(campaign=1.0))
    made.open(Decimal("0.95"))
    with pytest.raises(OverBudgetError, match=r"budget_usd\.campaign"):
        made.reserve("a", 0.1)
    made.reserve("b", 0.05)


def test_where_nobody_knows_the_cost_nothing_is_bought_on_a_budget(spend_tracker):
    with pytest.raises(OverBudgetError, match="its cost is unknown"):
        spend_tracker(run=5.0).reserve("a", None)


def test_without_a_budget_everything_fits_and_no_file_is_touched(tmp_path):
    made = SpendTracker(tmp_path / "spending.json", Budget())
    reserved = made.reserve("a", 1e6)
    assert reserved == 0
    made.record_cost(reserved, 1e6)
    assert made.left_out() == frozenset()
    assert not list(tmp_path.iterdir())


@given(st.lists(st.tuples(cents, st.floats(0, 1)), max_size=30), cents)
def test_no_order_of_calls_spends_more_than_the_budget(calls, limit):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        jobs = [SpendTracker(Path(folder) / "spending.json", Budget(run=limit)) for _ in range(2)]
        jobs[0].open(Decimal(0))
        spent = Decimal(0)
        for number, (worst_usd, share) in enumerate(calls):
            job = jobs[number % 2]
            try:
                reserved = job.reserve(str(number), worst_usd)
            except OverBudgetError:
                continue
            cost_usd = round(worst_usd * share, 6)
            job.record_cost(reserved, cost_usd)
            spent += Decimal(str(cost_usd))
        assert spent <= Decimal(str(limit))


def test_what_may_have_been_billed_counts_with_its_worst_case():
    sent = {"campaign": "c", "worst_usd": 0.5}
    calls = [
        Call(sent, {"outcome": "made", "cost_usd": 0.25}),
        Call(sent, None),
        Call(sent, {"outcome": "failed"}),
        Call(sent, {"outcome": "refused"}),
        Call({"campaign": "another", "worst_usd": 9.0}, None),
    ]
    assert spent_usd(calls, "c") == Decimal("0.75")


@pytest.mark.parametrize(
    ("damage", "counts"),
    [
        (lambda line: line.replace(b'"prompt":"A mug"', b'"prompt":"A mud"'), "1.5"),
        (lambda line: line.replace(b'"event":"sent"', b'"event":"semt"'), "1.5"),
        (lambda line: line.replace(b'"campaign":"c"', b'"campaign":"C"'), "1.5"),
        (lambda line: line[:-40], "1.5"),
        (lambda line: line[:40], "1.0"),  # its cost is lost as well
        (lambda line: b"", "1.0"),
    ],
)
def test_a_damaged_record_of_a_call_counts_with_its_highest_cost_as_far_as_it_tells(tmp_path, damage, counts):
    journal = Journal(tmp_path, "job", durable=False)
    for prompt in ("A mug", "A hat", "A bag"):
        recipe = {"provider": "openai", "model": "m", "prompt": prompt}
        key = prompt.encode().hex()
        call = journal.sent(worst_usd=0.5, campaign="c", name=prompt, key=key, attempt=0, tried=1, recipe=recipe)
        if prompt == "A mug":
            journal.closed(call, Outcome.MADE, key=key, cost_usd=0.25)
    journal.close()
    first, *others = journal.path.read_bytes().split(b"\n")
    journal.path.write_bytes(b"\n".join([damage(first), *others]))
    assert spent_in(tmp_path, "c") == Decimal(counts)


@given(st.lists(cents, min_size=1, max_size=20), cents.map(lambda usd: 4 * usd))
def test_many_calls_at_once_are_let_through_as_they_are_one_by_one(costs, limit):
    import tempfile
    from pathlib import Path

    wanted = {str(number): cost_usd for number, cost_usd in enumerate(costs)}
    with tempfile.TemporaryDirectory() as folder:
        one_by_one, at_once = (SpendTracker(Path(folder) / name, Budget(run=limit)) for name in ("a.json", "b.json"))
        for one in (one_by_one, at_once):
            one.open(Decimal(0))
        found = at_once.reserve_all(wanted)
        for key, worst_usd in wanted.items():
            try:
                assert one_by_one.reserve(key, worst_usd) == found[key]
            except OverBudgetError as error:
                assert str(found[key]) == str(error)
        at_once.record_costs((reserved, 0.0) for reserved in found.values() if isinstance(reserved, Decimal))
        assert at_once.left_out() == one_by_one.left_out()
        assert isinstance(at_once.reserve("again", limit), Decimal), "what cost nothing leaves the budget whole"


@pytest.mark.parametrize("damage", ["torn", "flipped", "deleted"])
def test_a_damaged_file_lets_no_call_through_and_closes_those_in_flight(tmp_path, damage):
    path = tmp_path / "spending.json"
    spend_tracker = SpendTracker(path, Budget(run=1.0))
    spend_tracker.open(Decimal(0))
    reserved = spend_tracker.reserve("a", 0.01)
    content = path.read_bytes()
    path.write_bytes(content[:-9] if damage == "torn" else content.replace(b"0.01", b"0.00"))
    if damage == "deleted":  # with work/, which may be deleted at any time
        path.unlink()
    spend_tracker.record_cost(reserved, 0.005)
    assert spend_tracker.left_out() == frozenset()
    with pytest.raises(DamagedStateError, match="is missing or damaged"):
        spend_tracker.reserve("b", 0.01)
