"""The server as an object, which runs in a thread of its own."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any

from aiohttp import web

STAND_IN_KEY = "sk-or-v1-0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Rule:
    """How calls with some prompts fail.

    Attributes:
        prompt: A regular expression; the rule is for prompts in which it is found.
        behavior: A name in `fake_openrouter.faults.FAULTS`, `NO_IMAGE`, or `CUT`.
        first: For the first calls of each prompt only; None for all.
    """

    prompt: str
    behavior: str
    first: int | None = None


@dataclass(slots=True)
class Call:
    """One call for images.

    Attributes:
        body: The parsed request.
        headers: Of the request, by lower-case name.
        status: Of the response.
        cost_usd: What it was billed; 0 if it failed.
        endpoint: Which endpoint served it.
        behavior: The fault that it met, if any.
    """

    body: dict[str, Any]
    headers: dict[str, str]
    status: int = 0
    cost_usd: float = 0.0
    endpoint: str | None = None
    behavior: str | None = None


@dataclass(slots=True)
class FakeOpenRouter:
    """A stand-in server. It ends with the `with` block.

    Attributes:
        rules: How calls fail; the first that applies decides.
        credit_usd: What is left to spend; None for no end.
        lists: Paths whose response is replaced by these bytes, such as ``/images/models``.
        calls: All calls for images, in order of arrival.
        base_url: Address to give to a client, with ``/api/v1``.
        latency_s: Time for one image.
    """

    rules: list[Rule] = field(default_factory=list)
    credit_usd: float | None = None
    lists: dict[str, bytes] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    base_url: str = ""
    latency_s: float = 0.0
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def billed_usd(self) -> float:
        """What all calls were billed, added exactly."""
        return float(sum((Decimal(str(call.cost_usd)) for call in self.calls), Decimal(0)))

    def fault_of(self, prompt: str) -> str | None:
        """Return the fault that a call meets; it is in `calls` already."""
        if not self.rules:
            return None
        n_earlier = sum(call.body.get("prompt") == prompt for call in self.calls) - 1
        for rule in self.rules:
            if re.search(rule.prompt, prompt) and (rule.first is None or n_earlier < rule.first):
                return rule.behavior
        return None

    def __enter__(self) -> FakeOpenRouter:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        if not ready.wait(30):
            raise TimeoutError("the stand-in did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None and self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    async def _serve(self, ready: threading.Event) -> None:
        from fake_openrouter.app import build_app

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(build_app(self), shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}/api/v1"
        ready.set()
        await self._stop.wait()
        await runner.cleanup()

    _stop: asyncio.Event = field(init=False)
