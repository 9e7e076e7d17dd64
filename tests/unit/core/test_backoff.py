"""Waits grow, stay within their bounds at any number of tries, and heed the server."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.core.backoff import backoff_s, poll_waits_s

draws = st.floats(0, 1, exclude_max=True)
tries = st.one_of(st.integers(1, 40), st.integers(1, 10**9))


@given(tries, draws)
def test_a_wait_never_exceeds_the_longest(tries, draw):
    assert 0 <= backoff_s(1, 60, tries, None, draw) <= 60


@given(tries, st.floats(0, 300), draws)
def test_a_wait_is_never_shorter_than_the_server_asked_for(tries, asked_s, draw):
    assert backoff_s(1, 60, tries, asked_s, draw) >= asked_s


def test_waits_double_from_try_to_try():
    waits = [backoff_s(1, 60, tries, None, 0.999) for tries in range(1, 9)]
    assert waits == [0.999 * most for most in (1, 2, 4, 8, 16, 32, 60, 60)]


@pytest.mark.parametrize("asked_s", [float("inf"), float("nan"), -1.0, 1e300])
def test_a_server_that_asks_for_an_absurd_wait_is_not_believed(asked_s):
    assert backoff_s(1, 60, 1, asked_s, 0.5) == 0.5


def test_looks_at_what_takes_long_become_rarer_and_never_hammer():
    waits = list(itertools.islice(poll_waits_s(1, 60), 2000))
    for wait_s, middle_s in zip(waits, [*(2**n for n in range(6)), *[60] * 2000], strict=False):
        assert 0.75 * middle_s <= wait_s <= 1.25 * middle_s
