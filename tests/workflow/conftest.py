"""Projects and servers for whole builds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_openai import FakeOpenAI, Settings
from installed import Installed
from workflow.project import Project

CHROMIUM = shutil.which("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests in this folder."""
    for item in items:
        if "tests/workflow/" in str(item.path):
            item.add_marker("workflow")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own."""
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def server(stand_in: FakeOpenAI) -> FakeOpenAI:
    """The stand-in server, as if it had just started."""
    stand_in.renew(Settings(any_size=True))
    return stand_in


@pytest.fixture
def other_server() -> Iterator[FakeOpenAI]:
    """A second stand-in server."""
    with FakeOpenAI(Settings(any_size=True)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Any, server: FakeOpenAI) -> Callable[..., Project]:
    """Creates projects whose images come from the stand-in."""
    return lambda **config: Project(tmp_path / "project", server, **config)


@pytest.fixture
def preview(tmp_path: Any) -> Callable[..., Project]:
    """Creates projects whose images come from the preview provider."""
    return lambda **config: Project(tmp_path / "project", **config)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, stand_in: FakeOpenAI) -> Project:
    """A project with four images, built once, and its server."""
    stand_in.renew(Settings(any_size=True))
    made = Project(tmp_path_factory.mktemp("shop") / "project", stand_in)
    made.snakemake()
    assert made.calls() == 4
    assert len(made.images()) == 4
    return made


@pytest.fixture
def built(shop: Project, server: FakeOpenAI, tmp_path: Any) -> Project:
    """A copy of that project that tests can change. Four calls were made for it."""
    return shop.copied(tmp_path / "project")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The installed Chromium. Not session-scoped, because its event loop would interfere with other tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()
