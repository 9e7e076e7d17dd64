"""Settings for all tests, and what they share."""

from __future__ import annotations

import fcntl
import gc
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI
from hypothesis import settings

# Property tests have no deadline: wall-clock time depends on the machine.
settings.register_profile("no-deadline", deadline=None)
# `pytest --hypothesis-profile=thorough tests/unit/store/test_fuzzed_state.py` tries 10,000 examples per property.
settings.register_profile("thorough", deadline=None, max_examples=10_000)
settings.load_profile("no-deadline")

WAITING = ("test_slurm_builds", "test_bucket_builds")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, None, None]:
    """Let one of the processes be first: it compiles the tests for the others, which is most of collecting."""
    with Path(__file__).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(file, fcntl.LOCK_SH)
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests first that wait more than they compute, so that others run beside them."""
    items.sort(key=lambda item: item.path.stem not in WAITING)


def pytest_collection_finish() -> None:
    """Keep thousands of tests out of each later collection of garbage, a tenth of the time of unit tests."""
    gc.freeze()


@pytest.fixture(scope="session")
def stand_in() -> Iterator[FakeOpenAI]:
    """The stand-in server of this process, since its start takes longer than most tests. A test renews it first."""
    with FakeOpenAI() as running:
        yield running
