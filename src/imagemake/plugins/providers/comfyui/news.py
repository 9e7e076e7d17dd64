"""What ComfyUI servers tell over a websocket: how far a prompt is, and that it has ended.

Nothing depends on it: without the package `websockets`, or while a connection is cut, questions find out the same a
little later. Source: ComfyUI 0.33.0, ``main.py``, ``execution.py``, and ``comfy_execution/progress.py``.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from imagemake.core.text import printable
from imagemake.plugins.providers.http.network import tls_context

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0  # between two connections
MOST_BYTES = 64 * 2**20  # of one message: previews are images


class News:
    """Hears of the prompts of one client.

    Args:
        client_id: As prompts name it.
        headers: Headers of every connection.
    """

    def __init__(self, client_id: str, headers: Mapping[str, str]) -> None:
        self._client_id = client_id
        self._headers = dict(headers)
        self._listening: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self.words: dict[str, str] = {}

    def listen(self, address: str, prompt_id: str) -> None:
        """Listen to a server for news of a prompt from now on."""
        self._ended.setdefault(prompt_id, asyncio.Event())
        if address not in self._listening:
            self._listening[address] = asyncio.create_task(self._listen(address))

    async def wait(self, prompt_id: str, longest_s: float) -> None:
        """Wait until a prompt has ended, at most some seconds."""
        event = self._ended.setdefault(prompt_id, asyncio.Event())
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), longest_s)
            event.clear()  # one look is enough; another one waits again

    def forget(self, prompt_id: str) -> None:
        """Forget a prompt that has ended."""
        self._ended.pop(prompt_id, None)
        self.words.pop(prompt_id, None)

    def take(self, message: str) -> None:
        """Take a message of a server into account; whatever it is, it breaks nothing."""
        try:
            told = json.loads(message)
            kind, data = told["type"], told["data"]
            prompt_id = data["prompt_id"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return
        if not isinstance(prompt_id, str) or prompt_id not in self._ended:
            return
        if kind == "progress_state":
            if words := _progress(data):
                self.words[prompt_id] = words
        elif kind == "executing" and data.get("node") is None:  # the history has it by now
            self._ended[prompt_id].set()

    async def close(self) -> None:
        """Stop listening."""
        for task in self._listening.values():
            task.cancel()
        await asyncio.gather(*self._listening.values(), return_exceptions=True)

    async def _listen(self, address: str) -> None:
        try:
            from websockets.asyncio.client import connect
            from websockets.exceptions import WebSocketException
        except ImportError:
            return

        class Direct(connect):
            def process_redirect(self, exc: Exception) -> Exception | str:
                return exc  # another server gets no header

        base, wait_s = address.partition("?")[0].rstrip("/"), FIRST_WAIT_S
        url = f"ws{base.removeprefix('http')}/ws?{urlencode({'clientId': self._client_id})}"
        tls = tls_context() if url.startswith("wss") else None
        while True:
            with suppress(OSError, ssl.SSLError, TimeoutError, WebSocketException, EOFError):
                async with Direct(
                    url, ssl=tls, additional_headers=self._headers, max_size=MOST_BYTES, max_queue=None
                ) as socket:
                    wait_s = FIRST_WAIT_S
                    async for message in socket:
                        if isinstance(message, str):
                            self.take(message)
            await asyncio.sleep(wait_s)
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)


def _progress(data: Mapping[str, Any]) -> str:
    """Return how far the node is that runs, such as ``step 12 of 20``."""
    nodes = data.get("nodes")
    for number, node in nodes.items() if isinstance(nodes, Mapping) else ():
        if isinstance(node, Mapping) and node.get("state") == "running":
            value, most = node.get("value"), node.get("max")
            if isinstance(value, int | float) and isinstance(most, int | float) and most > 1:
                return printable(f"step {value:g} of {most:g} of node {number}")[:100]
            return printable(f"at node {number}")[:100]
    return ""
