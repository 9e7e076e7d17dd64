"""Images that came are not held in memory until a garbage collection, which jobs rarely make."""

import asyncio
import gc

import httpx2
import pytest
from fake_openai import FakeOpenAI

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection
from imagemake.plugins.providers.openai.provider import OpenAIProvider


@pytest.fixture
def no_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_response_is_gone_once_its_image_is_taken_out(no_collection, monkeypatch):
    async def generate():
        provider = OpenAIProvider(Connection(server.base_url, 20.0, key_from="OPENAI_API_KEY"))
        made = await provider.generate(Recipe("openai", "gpt-image-2", "A mug", 1, {"size": "1024x1024"}))
        held = sum(isinstance(one, httpx2.Response) for one in gc.get_objects())
        await provider.close()
        return made.image, held

    with FakeOpenAI() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        image, held = asyncio.run(generate())
    assert image
    assert held == 0
