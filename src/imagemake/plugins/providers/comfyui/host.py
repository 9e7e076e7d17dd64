"""One ComfyUI server: what it has, and what it says of a prompt.

Source: ComfyUI 0.33.0, ``server.py``, ``execution.py``, and ``comfy_execution/jobs.py``. Servers before 0.4 have no
``/api/jobs``: their history and their queue tell the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from imagemake.plugins.providers.failures import FailureKind, ProviderError
from imagemake.plugins.providers.http.client import HttpClient
from imagemake.plugins.providers.http.images import form_of
from imagemake.plugins.providers.http.queue import PASSING, Reply

PING_S = 5.0


@dataclass(frozen=True, slots=True)
class Job:
    """What a server says of a prompt.

    Attributes:
        status: ``pending``, ``in_progress``, ``completed``, ``failed``, ``cancelled``, or ``unknown``.
        outputs: What each node gave, by its ID.
        error: The message ``execution_error``; empty if there is none.
    """

    status: str
    outputs: Mapping[str, Any]
    error: Mapping[str, Any]


class Host:
    """A server.

    Args:
        address: Its address.
        client: Calls it.

    Attributes:
        open: IDs of the prompts of this process that it has.
        down_since: When it stopped answering, by the monotonic clock; None while it answers.
        uploaded: Names on the server of the images that this process uploaded, by SHA-256.
    """

    def __init__(self, address: str, client: HttpClient) -> None:
        self.address = address
        self.client = client
        self.open: set[str] = set()
        self.down_since: float | None = None
        self.uploaded: dict[str, str] = {}
        self._has_jobs = True

    async def ask(self, method: str, path: str, **content: Any) -> Reply:
        """Send one request; whether it is answered tells whether the server is up."""
        try:
            answer = await self.client.send(method, path, **content)
        except ProviderError as error:
            if error.failure is FailureKind.UNREACHABLE and self.down_since is None:
                self.down_since = time.monotonic()
            raise
        self.down_since = None
        return Reply(answer.status, answer.body, answer.headers)

    async def length(self) -> int | None:
        """Return how many prompts it has, those of others included; None if it does not say."""
        try:
            reply = await self.ask("GET", "prompt", timeout_s=PING_S)
        except ProviderError:
            return None
        info = reply.json.get("exec_info")
        length = info.get("queue_remaining") if isinstance(info, Mapping) else None
        return length if reply.status == 200 and isinstance(length, int) else None

    async def upload(self, digest: str, image: bytes, folder: str) -> str:
        """Upload an image, unless this process did before, and return its name there.

        Raises:
            ProviderError: If the server does not take it.
        """
        if digest not in self.uploaded:
            # The server keeps one file for equal contents under the same name.
            fields = {"type": "input", "subfolder": folder}
            try:
                reply = await self.ask("POST", "upload/image", **form_of("image", digest[:32], image, fields))
            except ProviderError as error:
                raise _not_uploaded(self.address, error) from None
            name, inside = reply.json.get("name"), reply.json.get("subfolder")
            if reply.status != 200 or not isinstance(name, str):
                raise _not_uploaded(self.address, reply.error())
            self.uploaded[digest] = f"{inside}/{name}" if isinstance(inside, str) and inside else name
        return self.uploaded[digest]

    async def job(self, prompt_id: str) -> Job | Reply:
        """Ask what became of a prompt; a reply that says nothing about it is returned as it is."""
        if self._has_jobs:
            reply = await self.ask("GET", f"api/jobs/{prompt_id}")
            if reply.status == 404 and reply.json.get("error"):
                return Job("unknown", {}, {})
            if reply.status != 404:
                return _job(reply.json) if reply.status == 200 and reply.json else reply
            self._has_jobs = False
        return await self._of_history(prompt_id) or await self._of_queue(prompt_id)

    async def _of_history(self, prompt_id: str) -> Job | Reply | None:
        """Return what the history says; None if it is empty, as for a prompt that runs and for one that is unknown."""
        reply = await self.ask("GET", f"history/{prompt_id}")
        if reply.status != 200:
            return reply
        entry = reply.json.get(prompt_id)
        return _in_history(entry) if isinstance(entry, Mapping) else None

    async def _of_queue(self, prompt_id: str) -> Job | Reply:
        reply = await self.ask("GET", "queue")
        if reply.status != 200:
            return reply
        for status, name in (("in_progress", "queue_running"), ("pending", "queue_pending")):
            if prompt_id in _ids(reply.json.get(name)):
                return Job(status, {}, {})
        # It may have ended since the history was asked.
        return await self._of_history(prompt_id) or Job("unknown", {}, {})

    async def cancel(self, prompt_id: str) -> bool:
        """Take a prompt out of the queue, or interrupt it, and return whether it was there.

        An interrupt always names the prompt: without its ID, a server ends whatever runs, whoever it is for.
        """
        if self._has_jobs:
            reply = await self.ask("POST", f"api/jobs/{prompt_id}/cancel")
            if reply.status == 200:
                return reply.json.get("cancelled") is True
            if reply.status != 404:
                raise reply.error()
            self._has_jobs = False
        queue = (await self.ask("GET", "queue")).json
        if prompt_id in _ids(queue.get("queue_pending")):
            return (await self.ask("POST", "queue", json={"delete": [prompt_id]})).status == 200
        if prompt_id in _ids(queue.get("queue_running")):
            return (await self.ask("POST", "interrupt", json={"prompt_id": prompt_id})).status == 200
        return False

    async def file(self, filename: str, subfolder: str = "", kind: str = "output") -> Reply:
        """Ask for a file."""
        query = urlencode({"filename": filename, "subfolder": subfolder, "type": kind})
        return await self.ask("GET", f"view?{query}")


def _not_uploaded(address: str, error: ProviderError) -> ProviderError:
    """Return the error of an upload; nothing is in the queue yet, so nothing is left unknown."""
    kind = FailureKind.UNAVAILABLE if error.failure is FailureKind.UNKNOWN else error.failure
    message = f"a reference image was not uploaded to {address}: {error}"
    return ProviderError(message, kind, code=error.code, status=error.status, remedy=error.remedy)


def is_passing(reply: Reply) -> bool:
    """Return whether a reply says nothing, so that it is worth asking again."""
    return reply.status in PASSING or reply.status >= 500 or reply.status == 200


def _job(told: Mapping[str, Any]) -> Job:
    outputs, error = told.get("outputs"), told.get("execution_error")
    return Job(
        str(told.get("status")),
        outputs if isinstance(outputs, Mapping) else {},
        error if isinstance(error, Mapping) else {},
    )


def _in_history(entry: Mapping[str, Any]) -> Job:
    status = entry.get("status")
    about: Mapping[str, Any] = status if isinstance(status, Mapping) else {}
    listed = about.get("messages")
    pairs = [one for one in listed if isinstance(one, list) and len(one) == 2] if isinstance(listed, list) else []
    told = {one[0]: one[1] for one in pairs if isinstance(one[0], str)}
    ended = "cancelled" if "execution_interrupted" in told else "failed"
    word = ended if about.get("status_str") == "error" else "completed"
    return _job({"status": word, "outputs": entry.get("outputs"), "execution_error": told.get("execution_error")})


def _ids(entries: object) -> set[object]:
    """Return the IDs in a part of the queue: each entry is a list, with the ID at its second place."""
    listed = entries if isinstance(entries, list) else []
    return {entry[1] for entry in listed if isinstance(entry, list) and len(entry) > 1 and isinstance(entry[1], str)}
