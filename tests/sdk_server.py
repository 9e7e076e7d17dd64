"""The stand-in together with a client of the official SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import openai
from fake_openai import FakeOpenAI


class SdkServer(FakeOpenAI):
    """A running stand-in, one client, and the event loop of its calls."""

    client: openai.AsyncOpenAI
    loop: asyncio.Runner

    def __enter__(self) -> SdkServer:
        """Start the stand-in and the client. Creating a client takes 0.1 s, so tests share one, without retries."""
        super().__enter__()
        self.loop = asyncio.Runner()
        self.client = openai.AsyncOpenAI(base_url=self.base_url, api_key="sk-any", max_retries=0)
        return self

    def stop(self) -> None:
        """Close the client, and stop the stand-in."""
        self.loop.run(self.client.close())
        self.loop.close()
        super().stop()

    def run(self, call: Awaitable[Any]) -> Any:
        """Wait for one call of the client."""

        async def wait() -> Any:
            return await call

        return self.loop.run(wait())
