"""Projects and servers for whole builds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_openai import FakeOpenAI, Settings
from workflow.project import Project


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is here."""
    for item in items:
        if "tests/workflow/" in str(item.path):
            item.add_marker("workflow")


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    """A stand-in server of its own for each test."""
    with FakeOpenAI(Settings(any_size=True)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Any, server: FakeOpenAI) -> Callable[..., Project]:
    """Makes a project whose pictures come from the stand-in."""
    return lambda **config: Project(tmp_path / "project", server, **config)


@pytest.fixture
def preview(tmp_path: Any) -> Callable[..., Project]:
    """Makes a project whose pictures the preview provider draws."""
    return lambda **config: Project(tmp_path / "project", **config)
