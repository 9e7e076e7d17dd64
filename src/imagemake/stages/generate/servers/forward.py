"""One address for several servers: forwards each connection to the one with the fewest, and waits while none is ready.

The address stays when a server is started again, so that jobs need not know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from imagemake.stages.generate.servers.process import HOST, ServerProcess

CHUNK_BYTES = 1 << 18
LOOK_EVERY_S = 0.05


class Forwarder:
    """Listens at a free port of this machine, for programs on it.

    Args:
        servers: Where connections lead to.
    """

    def __init__(self, servers: Sequence[ServerProcess]) -> None:
        self._servers = servers
        self._news = asyncio.Event()
        self._listening: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def listen(self) -> str:
        """Begin, and return the address."""
        self._listening = await asyncio.start_server(self._serve, HOST, 0, backlog=1024)
        return "http://{}:{}".format(*self._listening.sockets[0].getsockname()[:2])

    def look_again(self) -> None:
        """Wake connections that wait, because a server became ready or will never be."""
        self._news.set()
        self._news = asyncio.Event()

    def close(self) -> None:
        """End all connections, and accept none."""
        if self._listening is not None:
            self._listening.close()
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (server := await self._chosen()) is not None:
                server.connections += 1
                try:
                    await self._join(reader, writer, server.port or 0)
                    break
                except ConnectionRefusedError:  # it has just ended, and its supervisor has not seen that yet
                    await asyncio.sleep(LOOK_EVERY_S)
                finally:
                    server.connections -= 1
        except OSError:
            pass  # one of both ends is gone
        finally:
            self._open.discard(writer)
            writer.close()

    async def _chosen(self) -> ServerProcess | None:
        """Return the ready server with the fewest connections; None if none will be ready."""
        while not all(server.gone for server in self._servers):
            ready = [server for server in self._servers if server.port is not None]
            if ready:
                return min(ready, key=lambda server: server.connections)
            await self._news.wait()
        return None

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        from_server, to_server = await asyncio.open_connection(HOST, port)
        both = {asyncio.create_task(_pass_on(reader, to_server)), asyncio.create_task(_pass_on(from_server, writer))}
        try:
            # A server that must read to the end of a request does so by its length: no side closes one direction only.
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            to_server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
