"""The servers that a job needs and the build starts: held from before the first call to after the last."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.stages.generate.servers.lease import Lease, lease_of
from imagemake.store.progress import JobProgress, no_progress

if TYPE_CHECKING:
    from imagemake.config.server import Server
    from imagemake.stages.generate.calls import CallRunner

NO_PROXY = ("no_proxy", "NO_PROXY")
LOCAL = "127.0.0.1"


@dataclass(slots=True)
class JobServers:
    """The held servers of one job. Use it in a ``with`` block, which releases them.

    Attributes:
        progress: Takes what the job waits for, and tells whether the run is to stop.
    """

    progress: JobProgress = field(default_factory=no_progress)
    _leases: dict[Server, Lease] = field(default_factory=dict)
    _runners: dict[Server, list[CallRunner]] = field(default_factory=dict)
    _watching: list[asyncio.Task[None]] = field(default_factory=list)

    def __enter__(self) -> JobServers:
        """Hold nothing yet."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Release all servers."""
        while self._leases:
            self._leases.popitem()[1].release()

    def running(self, server: Server) -> Server:
        """Return a server with its address; one that the build starts is ready then.

        Raises:
            ServerGoneError: If it cannot be started.
            KeyboardInterrupt: If the run was told to stop meanwhile.
        """
        if server.to_start is None:
            return server
        lease = self._leases[server] = lease_of(server, self._wait)
        _go_past_proxies()
        return replace(server, base_url=f"{lease.address}{server.to_start.path}")

    def _wait(self, words: str) -> None:
        self.progress.update(waits_for=words)
        if self.progress.run_is_stopping:
            raise KeyboardInterrupt

    def watch(self, server: Server, runner: CallRunner) -> None:
        """Let a call runner stop when its server will not be started again. Call this where an event loop runs."""
        if server not in self._leases:
            return
        if server not in self._runners:
            self._runners[server] = []
            self._watching.append(asyncio.create_task(self._stop_when_gone(server)))
        self._runners[server].append(runner)

    async def _stop_when_gone(self, server: Server) -> None:
        error = await self._leases[server].watch()
        for runner in self._runners[server]:
            runner.give_up(ProviderError(str(error), FailureKind.STOP, code="server_gone", remedy=error.remedy))


def _go_past_proxies() -> None:
    """Let calls to this machine go there directly, whatever proxy the environment names."""
    named = next((value for name in NO_PROXY if (value := os.environ.get(name))), "")
    hosts = dict.fromkeys([*filter(None, named.split(",")), LOCAL])
    os.environ.update(dict.fromkeys(NO_PROXY, ",".join(hosts)))
