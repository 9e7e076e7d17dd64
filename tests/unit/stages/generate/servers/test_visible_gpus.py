"""GPUs are divided among servers, each with its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.stages.generate.servers.visible_gpus import VISIBLE, TooFewGpusError, shares_of, visible_gpus


@given(st.integers(0, 16), st.integers(0, 5), st.one_of(st.integers(1, 6), st.just("auto")))
def test_no_gpu_is_given_twice_and_each_server_has_as_many_as_asked(count, each, copies):
    gpus = [str(n) for n in range(count)]
    try:
        shares = shares_of(gpus, each, copies)
    except TooFewGpusError:
        assert count < each * (1 if copies == "auto" else copies)
        return
    given_out = [name for share in shares for name in share.get(VISIBLE, "").split(",") if name]
    assert len(set(given_out)) == len(given_out) == each * len(shares)
    if copies == "auto":
        assert len(shares) == max(1, count // max(1, each))
    else:
        assert len(shares) == copies


@pytest.mark.parametrize(("value", "names"), [("", []), ("-1", []), ("GPU-1, 3", ["GPU-1", "3"])])
def test_the_environment_says_which_gpus_are_there(monkeypatch, value, names):
    monkeypatch.setenv(VISIBLE, value)
    assert visible_gpus() == names
