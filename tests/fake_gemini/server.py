"""The stand-in as an object, which runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

from aiohttp import web

from fake_gemini.app import Stand
from fake_gemini.record import Call, Record
from fake_gemini.settings import Settings


class FakeGemini:
    """A stand-in server on 127.0.0.1. It serves until the `with` block ends.

    Args:
        settings: Settings of the server.

    Attributes:
        address: Scheme, host, and port.
        stand: Its state.
    """

    address: str
    stand: Stand

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FakeGemini:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    async def _start(self) -> None:
        self.stand = Stand(self._settings)
        self._runner = web.AppRunner(self.stand.app(), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    @property
    def base_url(self) -> str:
        """The address for `model.base_url`."""
        return f"{self.address}/v1beta"

    @property
    def record(self) -> Record:
        """What it did."""
        return self.stand.record

    @property
    def calls(self) -> list[Call]:
        """All requests for images, in the order of their arrival."""
        return self.record.calls

    def change(self, **changes: Any) -> None:
        """Replace some settings."""
        self._settings = replace(self._settings, **changes)
        self.stand.studio.settings = self._settings
