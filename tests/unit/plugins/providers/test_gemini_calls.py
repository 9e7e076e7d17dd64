"""Calls of the `gemini` provider, against a stand-in that is as strict as the API."""

import asyncio
import hashlib
import os
from io import BytesIO

import pytest
from fake_gemini import KEY, Behavior, FakeGemini, Rule
from image_files import saved
from PIL import Image

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ProviderError
from imagemake.plugins.providers.gemini.client import GeminiClient
from imagemake.plugins.providers.gemini.provider import GeminiProvider
from imagemake.plugins.providers.gemini.requests import body_of, model_path

PRO = "gemini-3-pro-image"


@pytest.fixture(scope="module")
def shared():
    with FakeGemini() as running:
        yield running


@pytest.fixture
def server(shared, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    shared.change(rules=(), latency_s=0.0)
    shared.calls.clear()
    return shared


def recipe(prompt="a mug", seed=7, **fields):
    return Recipe("gemini", fields.pop("model", PRO), prompt, seed, fields.pop("parameters", {}), **fields)


def run(server, ask, timeout_s=20, **connection):
    """Start a provider for the stand-in, and return what it is asked for."""

    async def wait():
        provider = GeminiProvider(Connection(server.base_url, timeout_s, "GEMINI_API_KEY", **connection))
        try:
            return await ask(provider)
        finally:
            await provider.close()

    return asyncio.run(wait())


def test_a_recipe_arrives_with_its_seed_and_the_size_as_ratio_and_tier(server):
    answer = run(server, lambda provider: provider.generate(recipe(parameters={"size": "3:2@2k", "temperature": 0.5})))
    (call,) = server.calls
    assert (call.prompt, call.seed, call.image_config) == ("a mug", 7, {"aspectRatio": "3:2", "imageSize": "2K"})
    with Image.open(BytesIO(answer.image)) as image:
        assert image.width * 2 == image.height * 3


@pytest.mark.parametrize(
    ("parameters", "config"),
    [
        ({}, {}),
        ({"size": "auto"}, {}),
        ({"size": "16:9"}, {"imageConfig": {"aspectRatio": "16:9"}}),
        ({"size": "1:1@512"}, {"imageConfig": {"aspectRatio": "1:1", "imageSize": "512"}}),
        ({"size": "1024x1024"}, {"imageConfig": {"aspectRatio": "1024x1024"}}),  # the server says what it takes
        ({"top_p": 0.5, "maxOutputTokens": 9}, {"topP": 0.5, "maxOutputTokens": 9}),
    ],
)
def test_parameters_are_fields_of_the_generation_config(parameters, config):
    given = body_of(recipe(parameters=parameters))["generationConfig"]
    assert given == {"responseModalities": ["IMAGE"], "seed": 7, **config}


def test_safety_settings_stand_beside_the_generation_config():
    body = body_of(
        recipe(parameters={"safety_settings": [{"category": "X"}], "response_modalities": ["TEXT", "IMAGE"]})
    )
    assert body["safetySettings"] == [{"category": "X"}]
    assert body["generationConfig"]["responseModalities"] == ["TEXT", "IMAGE"]


@pytest.mark.parametrize("fields", [{"negative_prompt": "text"}, {"mask": "0" * 64}])
def test_what_the_api_does_not_have_is_refused_and_not_left_out(server, fields):
    with pytest.raises(ProviderError, match="Unknown name") as raised:
        run(server, lambda provider: provider.generate(recipe(**fields)))
    assert raised.value.failure is FailureKind.CONFIGURATION


def test_references_arrive_in_their_order_and_untouched(server):
    images = {name: saved(Image.new("RGB", (8, 8), name), kind) for name, kind in (("red", "PNG"), ("blue", "JPEG"))}
    answer = run(server, lambda provider: provider.generate_from(recipe(references=("red", "blue")), images))
    assert server.calls[0].references == [hashlib.sha256(images[name]).hexdigest() for name in ("red", "blue")]
    assert answer.usage["input_tokens_details"]["image_tokens"] == 1120


@pytest.mark.parametrize("behavior", [Behavior.CUT, Behavior.RATE_LIMITED, Behavior.INTERNAL, Behavior.OVERLOADED])
def test_each_failure_is_one_call(server, behavior):
    server.change(rules=(Rule(behavior),))
    with pytest.raises(ProviderError):
        run(server, lambda provider: provider.generate(recipe()))
    assert len(server.calls) == 1


def test_a_connection_that_is_lost_leaves_the_outcome_unknown(server):
    server.change(rules=(Rule(Behavior.CUT),))
    with pytest.raises(ProviderError, match=server.address) as raised:
        run(server, lambda provider: provider.generate(recipe()))
    assert raised.value.failure is FailureKind.UNKNOWN


def test_a_slow_response_is_given_up_and_its_outcome_is_unknown(server):
    server.change(latency_s=5)
    with pytest.raises(ProviderError, match=r"no complete response within 0\.2 s") as raised:
        run(server, lambda provider: provider.generate(recipe()), timeout_s=0.2)
    assert raised.value.failure is FailureKind.UNKNOWN


def test_a_response_without_end_is_cut_off_and_kept(server, monkeypatch):
    monkeypatch.setattr("imagemake.plugins.providers.http.client.MOST_BYTES", 1000)
    with pytest.raises(ProviderError, match="more than 1,000 bytes") as raised:
        run(server, lambda provider: provider.generate(recipe()))
    assert raised.value.failure is FailureKind.UNREADABLE
    assert raised.value.body.startswith(b'{"candidates"')


def test_nothing_was_sent_to_a_server_that_is_not_there(server, monkeypatch):
    monkeypatch.setattr(server.__class__, "base_url", "http://127.0.0.1:9/v1beta")
    with pytest.raises(ProviderError) as raised:
        run(server, lambda provider: provider.generate(recipe()))
    assert raised.value.failure is FailureKind.UNREACHABLE


def test_a_redirect_is_not_followed_so_no_other_server_gets_the_key(server):
    with FakeGemini() as other:
        server.change(rules=(Rule(Behavior.REDIRECT),), other_server=f"{other.base_url}/models/{PRO}:generateContent")
        with pytest.raises(ProviderError, match="HTTP 307"):
            run(server, lambda provider: provider.generate(recipe()))
        assert other.calls == []


def test_a_wrong_key_stops_the_run(server, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-wrong-0123456789")
    with pytest.raises(ProviderError, match="API key not valid") as raised:
        run(server, lambda provider: provider.generate(recipe()))
    assert (raised.value.failure, raised.value.code) == (FailureKind.STOP, "API_KEY_INVALID")


@pytest.mark.parametrize(
    ("model", "words", "is_fault"), [(PRO, "the server knows it", False), ("gemini-9", "does not know it", True)]
)
def test_a_check_asks_for_the_model_and_costs_nothing(server, model, words, is_fault):
    found = run(server, lambda provider: provider.check(model))
    assert words in found.words
    assert (found.is_fault, server.calls) == (is_fault, [])
    assert found.time is not None


def test_an_unreadable_response_is_read_again(server):
    async def ask(provider):
        with pytest.raises(ProviderError) as raised:
            await provider.generate(recipe())
        body = raised.value.body.replace(b"*", b"A")
        line = b'{"key":"c","response":%b}' % body
        return (await provider.read_again(body)).image, (await provider.read_again(line)).image

    server.change(rules=(Rule(Behavior.BAD_BASE64),))
    one, two = run(server, ask)
    assert one == two != b""


@pytest.mark.parametrize(
    ("base_url", "key", "goes"),
    [
        (None, None, True),
        ("https://generativelanguage.googleapis.com/v1beta", None, True),
        ("https://gateway.example.com/v1beta", None, False),
        ("http://generativelanguage.googleapis.com/v1beta", None, False),
        ("https://googleapis.com.example.com/v1beta", None, False),
        ("https://gateway.example.com/v1beta", "GATEWAY_KEY", True),
    ],
)
def test_a_key_goes_to_google_only_or_where_the_user_names_one(monkeypatch, base_url, key, goes):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GATEWAY_KEY", "gw-0123456789")
    client = GeminiClient(Connection(base_url, key_from=key))
    sent = client._headers.get("x-goog-api-key")
    assert sent == ((os.environ[key or "GEMINI_API_KEY"]) if goes else None)
    asyncio.run(client.close())


def test_a_key_among_the_headers_is_the_only_one_that_is_sent(server, monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY")

    async def ask():
        provider = GeminiProvider(Connection(server.base_url, 20, headers={"X-Goog-Api-Key": KEY}))
        await provider.generate(recipe())
        await provider.close()

    asyncio.run(ask())
    assert [call.key_header for call in server.calls] == [KEY]


def test_a_missing_key_names_both_ways_to_give_it(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    with pytest.raises(ProviderError, match="GEMINI_API_KEY is not set") as raised:
        GeminiProvider(Connection())
    assert "model.key_from: GOOGLE_API_KEY" in raised.value.remedy


@pytest.mark.parametrize(
    ("base_url", "base", "upload"),
    [
        (None, "https://generativelanguage.googleapis.com/v1beta", "https://generativelanguage.googleapis.com/upload/v1beta/files"),
        ("http://h:1", "http://h:1/v1beta", "http://h:1/upload/v1beta/files"),
        ("http://h:1/gw/v1/", "http://h:1/gw/v1", "http://h:1/gw/upload/v1/files"),
        ("http://h:1/gw?team=a", "http://h:1/gw/v1beta", "http://h:1/gw/upload/v1beta/files"),
    ],
)  # fmt: skip
def test_an_address_may_end_with_the_version_or_without(monkeypatch, base_url, base, upload):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    client = GeminiClient(Connection(base_url))
    assert (client.base, client.upload_url) == (base, upload)
    asyncio.run(client.close())


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (PRO, f"models/{PRO}"),
        (f"models/{PRO}", f"models/{PRO}"),
        ("tunedModels/a", "tunedModels/a"),
        ("a?b:c", "models/a%3Fb%3Ac"),
    ],
)
def test_the_name_of_a_model_stays_within_its_path(model, path):
    assert model_path(model) == path
