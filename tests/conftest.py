"""Settings for all tests, and what they share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from fake_openai import FakeOpenAI
from hypothesis import settings

# Property tests have no deadline: wall-clock time depends on the machine.
settings.register_profile("no-deadline", deadline=None)
# `pytest --hypothesis-profile=thorough tests/unit/store/test_fuzzed_state.py` tries 10,000 examples per property.
settings.register_profile("thorough", deadline=None, max_examples=10_000)
settings.load_profile("no-deadline")

WAITING = ("test_slurm_builds", "test_bucket_builds")


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
