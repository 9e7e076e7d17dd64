"""Fixtures for tests of the stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_openai import Settings
from sdk_server import SdkServer


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Settings of the stand-in; test modules can override this."""
    return Settings()


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[SdkServer]:
    with SdkServer(settings) as server:
        yield server


@pytest.fixture
def server(running: SdkServer, settings: Settings) -> SdkServer:
    running.renew(settings)
    return running
