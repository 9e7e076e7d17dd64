"""Several ComfyUI servers as one: each prompt goes to the one with the shortest queue that answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from imagemake.plugins.providers.comfyui.host import Host
from imagemake.plugins.providers.failures import FailureKind, ProviderError
from imagemake.plugins.providers.queue import Ticket

SERVER = "server"  # in a ticket
ASK_AGAIN_S = 10.0  # a server that did not answer
DEAD_AFTER_S = 5.0  # without an answer, while another server answers


class Pool:
    """The servers of a provider.

    Args:
        hosts: The servers, at least one.
    """

    def __init__(self, hosts: Sequence[Host]) -> None:
        self.hosts = list(hosts)
        self._silent_until: dict[str, float] = {}

    async def pick(self, prompt_id: str) -> Host:
        """Return the server for a prompt, and count the prompt there.

        Raises:
            ProviderError: `FailureKind.UNREACHABLE` if none of several servers answers.
        """
        if len(self.hosts) == 1:
            return self._count(self.hosts[0], prompt_id)
        now = time.monotonic()
        asked = [one for one in self.hosts if self._silent_until.get(one.address, 0.0) <= now] or self.hosts
        lengths = await asyncio.gather(*(one.length() for one in asked))
        answers = {one.address: length for one, length in zip(asked, lengths, strict=True)}
        for address, length in answers.items():
            self._silent_until[address] = now + ASK_AGAIN_S if length is None else 0.0
        # What this process has put there is counted at once; the server counts it only when it arrives.
        able = [(max(length, len(one.open)), one) for one in asked if (length := answers[one.address]) is not None]
        if not able:
            raise _none(self.hosts) if len(asked) == len(self.hosts) else _none(asked)
        return self._count(min(able, key=lambda found: found[0])[1], prompt_id)

    def of(self, ticket: Ticket) -> Host:
        """Return the server that has a prompt.

        Raises:
            ProviderError: If it is none of the servers, as after a change of the addresses.
        """
        address = ticket.urls.get(SERVER, "")
        host = next((one for one in self.hosts if one.address == address), None)
        if host is None:
            message = f"request {ticket.id} is at another server; the servers are {_named(self.hosts)}"
            remedy = "Set model.base_url and model.pool back until the image is there."
            raise ProviderError(message, FailureKind.STOP, code="other_server", remedy=remedy)
        return host

    def done(self, prompt_id: str) -> None:
        """Count a prompt no longer."""
        for host in self.hosts:
            host.open.discard(prompt_id)

    async def is_dead(self, host: Host) -> bool:
        """Return whether a server has been silent for long enough, while another one answers.

        A server keeps its queue in memory, so a dead one has lost it.
        """
        if host.down_since is None or time.monotonic() - host.down_since < DEAD_AFTER_S:
            return False
        lengths = await asyncio.gather(*(one.length() for one in self.hosts if one is not host))
        return any(length is not None for length in lengths)

    def _count(self, host: Host, prompt_id: str) -> Host:
        host.open.add(prompt_id)
        return host


def _none(hosts: Sequence[Host]) -> ProviderError:
    message = f"no ComfyUI server answers: {_named(hosts)}"
    return ProviderError(message, FailureKind.UNREACHABLE, code="not_connected", remedy="Check that one of them runs.")


def _named(hosts: Sequence[Host]) -> str:
    return ", ".join(one.address for one in hosts)
