"""Which server gets which key and which headers."""

import asyncio

import pytest
from recording_server import recording

from imagemake.config.model import ModelSettings
from imagemake.config.models import load_models
from imagemake.core.known_secrets import redacted
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ProviderError
from imagemake.plugins.providers.openai.provider import OpenAIProvider

KEY, OTHER = "sk-0123456789abcdef", "tg-0123456789abcdef"
VARIABLE, DOMAIN = "OPENAI_API_KEY", "openai.com"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """What a user of OpenAI may have set."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-private")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Private: yes\nAuthorization: Bearer sk-custom")
    monkeypatch.setenv("TOGETHER_API_KEY", OTHER)


def call(connection):
    async def inside():
        provider = OpenAIProvider(connection)
        try:
            return await provider.generate(Recipe("openai", "m", "p", 1))
        finally:
            await provider.close()

    return asyncio.run(inside())


@pytest.mark.parametrize(
    ("base_url", "key"),
    [
        (None, KEY),
        ("https://api.openai.com/v1", KEY),
        ("https://eu.api.openai.com/v1", KEY),
        ("http://api.openai.com/v1", None),  # not encrypted
        ("https://api.openai.com.example.org/v1", None),
        ("https://notopenai.com/v1", None),
        ("https://example.org/openai.com", None),
        ("http://localhost:8000/v1", None),
    ],
)
def test_only_the_providers_own_servers_get_its_key(base_url, key):
    assert Connection(base_url).key(VARIABLE, DOMAIN) == key


def test_a_key_that_the_user_names_goes_to_that_server():
    assert Connection("http://localhost/v1", key_from="TOGETHER_API_KEY").key(VARIABLE, DOMAIN) == OTHER


def test_a_named_key_that_is_not_set_stops_and_names_the_variable(monkeypatch):
    monkeypatch.delenv("TOGETHER_API_KEY")
    with pytest.raises(ProviderError, match="TOGETHER_API_KEY is not set") as caught:
        Connection("http://localhost/v1", key_from="TOGETHER_API_KEY").key(VARIABLE, DOMAIN)
    assert caught.value.failure is FailureKind.STOP


def test_another_server_gets_nothing_that_is_meant_for_openai():
    with recording() as server:
        call(Connection(server.address))
    private = {"authorization", "openai-organization", "openai-project", "x-private"}
    assert not private & server.requests[0].headers.keys()


def test_another_server_gets_its_own_key_and_headers_only():
    with recording() as server:
        call(Connection(server.address, key_from="TOGETHER_API_KEY", headers={"X-Title": "Shop"}))
    got = server.requests[0].headers
    assert (got["authorization"], got["x-title"]) == (f"Bearer {OTHER}", "Shop")
    assert "x-private" not in got


def test_a_redirect_leads_no_call_and_no_key_to_another_server():
    with (
        recording() as other,
        recording(status=307, headers={"location": f"{other.address}/images/generations"}) as own,
    ):
        with pytest.raises(ProviderError, match="HTTP 307"):
            call(Connection(own.address, key_from="TOGETHER_API_KEY"))
        assert (len(own.requests), other.requests) == (1, [])


def test_a_headers_variables_are_filled_and_count_as_secrets(monkeypatch):
    monkeypatch.setenv("PROXY_ACCESS", "pw-0123456789")
    settings = ModelSettings(
        provider="openai",
        name="m",
        base_url="http://h/v1",
        headers={"X-Proxy": "Basic ${PROXY_ACCESS}", "X-Price": "$$1"},
    )
    provider = settings.connects_to.start(5, load_models())
    assert provider.connection.headers == {"X-Proxy": "Basic pw-0123456789", "X-Price": "$1"}
    assert redacted("it said pw-0123456789") == "it said [secret]"
    assert "pw-0123456789" not in settings.model_dump_json()


def test_a_headers_variable_that_is_not_set_stops(monkeypatch):
    settings = ModelSettings(provider="openai", name="m", base_url="http://h/v1", headers={"X-Proxy": "$NOT_SET_HERE"})
    assert settings.connects_to.variables() == ["NOT_SET_HERE"]
    with pytest.raises(ProviderError, match="NOT_SET_HERE is not set"):
        settings.connects_to.start(5, load_models())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"key_from": "sk-0123456789abcdef"}, "looks like a key"),
        ({"key_from": "MY KEY"}, "not the name of a variable"),
        ({"headers": {"Authorization": "abcdefgh"}}, "names no environment variable"),
        ({"headers": {"X-A": "sk-0123456789abcdef"}}, "looks like a secret"),
        ({"headers": {"X A": "b"}}, "not the name of a header"),
        ({"headers": {"X-A": "b\nX-B: c"}}, "no header can have"),
        ({"headers": {"X-A": "\u00e9"}}, "no header can have"),
        ({"headers": {"Host": "example.org"}}, "set by imagemake"),
    ],
)
def test_secrets_and_broken_headers_are_mistakes(given, words):
    with pytest.raises(ValueError, match=words):
        ModelSettings.model_validate({"provider": "openai", "name": "m", "base_url": "http://h/v1", **given})
