"""One error that may concern all calls holds the others back until a second response tells."""

import asyncio

import pytest

from imagemake.config.run import Limits
from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.stages.generate.doubt import Doubt
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.rate_limit import SharedPace


@pytest.fixture
def gate(tmp_path):
    return Gate(8, SharedPace(tmp_path / "pace.json", Limits()))


def error(kind=FailureKind.CONFIGURATION):
    return ProviderError("it says no", kind)


def waits(doubt, key):
    async def tried():
        try:
            await asyncio.wait_for(doubt.may_start(key), 0.05)
        except TimeoutError:
            return True
        return False

    return asyncio.run(tried())


def test_two_requests_with_the_same_kind_of_error_concern_all(gate):
    doubt = Doubt(gate)
    assert not doubt.concerns_all("a", error())
    assert not doubt.concerns_all("a", error()), "the same request says nothing new"
    assert doubt.concerns_all("b", error())


@pytest.mark.parametrize("answer", [None, error(FailureKind.REFUSED), error(FailureKind.RATE_LIMITED)])
def test_a_response_of_another_kind_clears_the_doubt(gate, answer):
    doubt = Doubt(gate)
    doubt.concerns_all("a", error())
    assert str(doubt.error) == "it says no"
    assert not doubt.concerns_all("b", answer)
    assert doubt.error is None
    assert not waits(doubt, "c")
    assert not doubt.concerns_all("d", error()), "the first one again"


def test_what_says_nothing_leaves_the_doubt(gate):
    doubt = Doubt(gate)
    doubt.concerns_all("a", error())
    assert not doubt.concerns_all("b", error(FailureKind.UNKNOWN))
    assert doubt.concerns_all("c", error())


def test_in_doubt_one_request_goes_and_the_others_wait(gate):
    doubt = Doubt(gate)
    assert not waits(doubt, "a")
    doubt.concerns_all("a", error())
    assert not waits(doubt, "b"), "the first one finds out"
    assert waits(doubt, "c")
    doubt.leave("b")
    assert not waits(doubt, "c")


def test_nobody_waits_once_the_job_stops(gate):
    doubt = Doubt(gate)
    doubt.concerns_all("a", error())
    assert not waits(doubt, "b")
    gate.stopping.set()
    assert not waits(doubt, "c")
