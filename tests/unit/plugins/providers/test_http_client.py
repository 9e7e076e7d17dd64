"""Calls over plain HTTP: what connections they use."""

import asyncio

import pytest

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection
from imagemake.plugins.providers.http import pools
from imagemake.plugins.providers.http.client import HttpClient
from imagemake.plugins.providers.openai.provider import OpenAIProvider

N = 10
IMAGE = b'{"data":[{"b64_json":"iVBORw0KGgo="}]}'


def plain(address):
    client = HttpClient(address, 30, {})
    return client, lambda: client.get("x")


def openai(address):
    provider = OpenAIProvider(Connection(address, timeout_s=30))
    return provider, lambda: provider.generate(Recipe("openai", "a-model", "a mug", 1))


async def lines_of(reader):
    while line := (await reader.readline()).strip():
        yield line


@pytest.mark.parametrize("start", [plain, openai])
@pytest.mark.parametrize("most_in_pool", [3, 32])
def test_calls_that_follow_each_other_use_the_same_connections(start, most_in_pool, monkeypatch):
    monkeypatch.setattr(pools, "MOST_IN_POOL", most_in_pool)
    connections = 0

    async def answer(reader, writer):
        nonlocal connections
        connections += 1
        while await reader.readline():
            lines = [line async for line in lines_of(reader)]
            await reader.readexactly(
                sum(int(line[15:]) for line in lines if line.lower().startswith(b"content-length"))
            )
            await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(IMAGE), IMAGE))
        writer.close()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        client, call = start(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for n, expected in ((1, 1), (1, 1), (N, N), (N, N), (1, N)):
            answers = await asyncio.gather(*(call() for _ in range(n)))
            assert len(answers) == n
            assert connections == expected
        await client.close()
        server.close()

    asyncio.run(run())
