"""Calls over plain HTTP: what connections they use."""

import asyncio

import httpx2
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


@pytest.mark.parametrize("start", [plain, openai])
def test_a_large_response_is_read_in_larger_pieces_than_the_library_asks_for(start, monkeypatch):
    pieces, read_all = [], httpx2.Response.aiter_bytes
    body = b'{"data":[{"b64_json":"%b"}]}' % (b"A" * 8_000_000)

    async def counted(self, *sizes):
        async for piece in read_all(self, *sizes):
            pieces.append(len(piece))
            yield piece

    async def answer(reader, writer):
        lines = [line async for line in lines_of(reader)]
        await reader.readexactly(sum(int(line[15:]) for line in lines if line.lower().startswith(b"content-length")))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        client, call = start(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await call()
        await client.close()
        server.close()

    monkeypatch.setattr(httpx2.Response, "aiter_bytes", counted)
    asyncio.run(run())
    assert sum(pieces) == len(body)
    assert max(pieces) > 64 * 1024
