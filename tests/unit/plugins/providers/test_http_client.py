"""Calls over plain HTTP: what connections they use."""

import asyncio

import pytest

from imagemake.plugins.providers.http import client as module
from imagemake.plugins.providers.http.client import HttpClient

N = 10


@pytest.mark.parametrize("most_in_pool", [3, 32])
def test_calls_that_follow_each_other_use_the_same_connections(most_in_pool, monkeypatch):
    monkeypatch.setattr(module, "MOST_IN_POOL", most_in_pool)
    connections = 0

    async def answer(reader, writer):
        nonlocal connections
        connections += 1
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        client = HttpClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", 30, {})
        for n, expected in ((1, 1), (1, 1), (N, N), (N, N), (1, N)):
            answers = await asyncio.gather(*(client.get("x") for _ in range(n)))
            assert [one.body for one in answers] == [b"{}"] * n
            assert connections == expected
        await client.close()
        server.close()

    asyncio.run(run())
