"""Several models in one job: none waits for another, and all together keep to the job's tokens."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.run import Budget, Limits
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ImageResponse, Provider, ProviderError
from imagemake.stages.generate.calls import CallRunner, StoppedError
from imagemake.stages.generate.gate import Gate, Stopping
from imagemake.stages.generate.one_call import Caller
from imagemake.stages.generate.rate_limit import SharedPace
from imagemake.stages.generate.side_by_side import generate_side_by_side, share_out
from imagemake.store.items import Item
from imagemake.store.journal import Journal
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store

QUICK = Limits(first_wait_s=0.001, longest_wait_s=0.002, tries=3)


class Server(Provider):
    """Counts calls in flight; its `drained` models are told to wait once.

    Calls of a model in `meet` are answered once so many of them were in flight together.
    """

    paid = True

    def __init__(self, *drained, wait_s=0.0, **meet):
        super().__init__(Connection())
        self.meet = meet
        self.drained, self.wait_s = set(drained), wait_s
        self.in_flight = self.most_in_flight = 0
        self.of_model, self.most_of_model = Counter(), Counter()
        self.order = []
        self.stops = set()

    async def generate(self, recipe):
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.of_model[recipe.model] += 1
        self.most_of_model[recipe.model] = max(self.most_of_model[recipe.model], self.of_model[recipe.model])
        async with asyncio.timeout(20):
            while self.most_of_model[recipe.model] < self.meet.get(recipe.model, 0):
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.002)
        self.in_flight -= 1
        self.of_model[recipe.model] -= 1
        if recipe.model in self.stops:
            raise ProviderError("no quota", FailureKind.STOP, remedy="Pay.")
        if recipe.model in self.drained:
            self.drained.discard(recipe.model)
            raise ProviderError("slow down", FailureKind.RATE_LIMITED, status=429, retry_after_s=self.wait_s)
        self.order.append(recipe.model)
        return ImageResponse(image=f"{recipe.model} {recipe.prompt}".encode())

    async def close(self):
        pass


@pytest.fixture
def buy(tmp_path):
    def run(server, calls, **n_by_model):
        async def inside():
            stopping = Stopping()
            store, spend_tracker = Store(tmp_path / "store"), SpendTracker(tmp_path / "spending.json", Budget())
            journal = Journal(tmp_path / "store" / "journal", "job", durable=True)
            work = []
            for model, n in n_by_model.items():
                gate = Gate(calls, SharedPace(tmp_path / "pace.json", QUICK, model), stopping)
                caller = Caller(server, store, journal, QUICK, gate, spend_tracker, "c", lambda _: None)
                recipes = [Recipe("openai", model, str(i), 0) for i in range(n)]
                work.append((CallRunner(caller), [Item(f"{model}{r.prompt}", 0, r, r.key(), "new") for r in recipes]))
            return await generate_side_by_side(work, calls)

        return asyncio.run(inside())

    return run


def test_all_models_are_made_within_the_jobs_calls(buy):
    server = Server(a=4)
    made = buy(server, 4, a=20, b=3, c=1)
    assert sorted(item.recipe.model for item in made if item.raw) == ["a"] * 20 + ["b"] * 3 + ["c"]
    assert server.most_in_flight == 4


def test_more_models_than_calls_wait_for_each_other_and_all_come(buy):
    server = Server()
    made = buy(server, 2, a=3, b=3, c=3, d=3, e=3)
    assert sum(item.raw is not None for item in made) == 15
    assert server.most_in_flight == 2


def test_what_one_model_needs_no_more_goes_to_the_others(buy):
    server = Server(a=2, b=4)
    buy(server, 4, a=2, b=40)
    assert server.most_of_model == {"a": 2, "b": 4}, "b had 2 calls at once beside a, and 4 after it"


def test_a_drained_model_does_not_hold_back_another_one(buy):
    server = Server("a", wait_s=2)
    buy(server, 2, a=1, b=8)
    assert server.order[-1] == "a"
    assert server.order.count("b") == 8


def test_one_that_can_not_go_on_stops_all_and_keeps_what_came(buy, tmp_path):
    server = Server()
    server.stops = {"a"}
    with pytest.raises(StoppedError, match="no quota"):
        buy(server, 2, a=5, b=1000)
    assert 0 < len(list((tmp_path / "store" / "raw").glob("*/*/*.*"))) < 1000


@given(st.integers(1, 20), st.lists(st.integers(0, 30), max_size=8))
def test_shares_use_every_call_and_none_twice(calls, sizes):
    shares = share_out(calls, sizes)
    assert sum(shares) == min(calls, sum(sizes))
    assert all(share <= size for share, size in zip(shares, sizes, strict=True))
    fed = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    assert not fed or max(shares) - min(fed) <= 1, "none has less than another, unless it needs less"
