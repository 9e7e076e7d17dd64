"""Azure: which credential goes where, names of deployments, and Azure's errors."""

import asyncio
import os
import sys

import openai
import pytest
from fake_openai import FakeOpenAI, Rule, Settings
from image_files import saved
from PIL import Image
from recording_server import recording

from imagemake.core.known_secrets import redacted
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ProviderError, response_to
from imagemake.plugins.providers.openai import azure, client, provider
from imagemake.plugins.providers.openai.azure import EntraTokens, is_azure
from imagemake.plugins.providers.openai.provider import OpenAIProvider

KEY, TOKEN = "az-0123456789abcdef", "eyJ0eXAi.0123456789abcdef.sig"
PNG = saved(Image.new("RGB", (64, 48), "red"), "PNG")
RULES = [Rule(prompt="weapon", behavior="moderation"), Rule(prompt="hurry", behavior="rate_limited")]


@pytest.fixture(scope="module")
def running():
    with FakeOpenAI(
        Settings(any_size=True, deployments={"mugs": "gpt-image-2"}, api_keys=[KEY], rules=RULES)
    ) as server:
        yield server


@pytest.fixture
def server(running):
    running.reset()
    return running


@pytest.fixture(autouse=True)
def azure_here(monkeypatch):
    """Servers of this machine count as Azure's."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-custom\napi-key: sk-custom")
    for module in (client, provider):
        monkeypatch.setattr(module, "is_azure", lambda address: True)


def ask(address, *images, prompt="A mug", model="mugs", key_from="AZURE_OPENAI_API_KEY", headers=None):
    async def inside():
        used = OpenAIProvider(Connection(address, 20, key_from, headers or {}))
        recipe = Recipe("openai", model, prompt, 1, {"size": "96x96"}, references=tuple("abcdef"[: len(images)]))
        try:
            return await response_to(used, recipe, dict(zip("abcdef", images, strict=False)))
        finally:
            await used.close()

    return asyncio.run(inside())


def addresses(server):
    root = server.base_url.removesuffix("/v1")
    return {
        "v1": f"{root}/openai/v1",
        "deployment": f"{root}/openai/deployments/mugs?api-version=2025-04-01-preview",
    }


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://shop.openai.azure.com/openai/v1", True),
        ("https://shop.cognitiveservices.azure.com/openai/deployments/mugs", True),
        ("https://shop.services.ai.azure.com/openai/v1", True),
        ("http://shop.openai.azure.com/openai/v1", False),  # not encrypted
        ("https://openai.azure.com.example.org/openai/v1", False),
        ("https://evilopenai.azure.com/openai/v1", False),
        ("https://shop.azure-api.net/openai/v1", False),
    ],
)
def test_only_azures_own_encrypted_hosts_count_as_azure(address, expected):
    assert is_azure(address) is expected


def test_a_key_goes_in_azures_header_alone():
    with recording() as server:
        ask(server.address)
    (request,) = server.requests
    assert request.headers["api-key"] == KEY
    assert "authorization" not in request.headers


@pytest.mark.parametrize("headers", [{"api-key": "other-key"}, {"Authorization": "Bearer other-token"}])
def test_a_header_that_the_user_names_is_the_only_credential(headers):
    with recording() as server:
        ask(server.address, key_from=None, headers=headers)
    sent = server.requests[0].headers
    found = {name: sent[name] for name in ("api-key", "authorization") if name in sent}
    assert found == {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize("form", ["v1", "deployment"])
@pytest.mark.parametrize("images", [(), (PNG,), (PNG, PNG)])
def test_both_forms_of_addresses_make_images(server, form, images):
    answer = ask(addresses(server)[form], *images)
    (call,) = server.calls()
    assert (call.model, call.status, len(call.references)) == ("gpt-image-2", 200, len(images))
    assert answer.request_id == call.request_id


@pytest.mark.parametrize(
    ("more", "kind", "words"),
    [
        ({"prompt": "A weapon"}, FailureKind.REFUSED, r"safety system\. \(filtered: violence\)"),
        ({"prompt": "hurry"}, FailureKind.RATE_LIMITED, "Rate limit reached"),
        ({"model": "cups"}, FailureKind.CONFIGURATION, "deployment for this resource does not exist"),
        ({"key_from": "WRONG"}, FailureKind.STOP, "invalid subscription key"),
    ],
)
def test_azures_errors_are_told_apart(server, monkeypatch, more, kind, words):
    monkeypatch.setenv("WRONG", "az-fedcba9876543210")
    with pytest.raises(ProviderError, match=words) as caught:
        ask(addresses(server)["v1"], **more)
    assert caught.value.failure is kind
    assert caught.value.request_id == server.calls()[0].request_id


def test_a_deployment_is_not_looked_for_in_the_list_of_models(server):
    async def inside():
        used = OpenAIProvider(Connection(addresses(server)["v1"], 20, "AZURE_OPENAI_API_KEY"))
        try:
            return await used.check("mugs")
        finally:
            await used.close()

    found = asyncio.run(inside())
    assert not found.is_fault
    assert "deployment" in found.words


def test_without_a_key_each_call_has_the_token_that_is_valid_now(monkeypatch):
    tokens = iter([f"{TOKEN}-1", f"{TOKEN}-2"])
    asked = []
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", lambda: "whoever is signed in")
    monkeypatch.setattr(
        "azure.identity.get_bearer_token_provider", lambda *what: asked.append(what) or (lambda: next(tokens))
    )

    async def inside(address):
        used = OpenAIProvider(Connection(address, 20))
        try:
            for _ in range(2):
                await used.generate(Recipe("openai", "mugs", "A mug", 1))
        finally:
            await used.close()

    with recording() as server:
        asyncio.run(inside(server.address))
    assert [request.headers["authorization"] for request in server.requests] == [
        f"Bearer {TOKEN}-1",
        f"Bearer {TOKEN}-2",
    ]
    assert not any("api-key" in request.headers for request in server.requests)
    assert asked == [("whoever is signed in", azure.SCOPE)]
    assert redacted(f"it said {TOKEN}-1") == "it said [secret]"


AZ = """#!/bin/sh
echo "$@" >> "$0.log"
[ -e "$0.out" ] || { echo "Please run az login" >&2; exit 1; }
n=$(wc -l < "$0.log")
in_s=$([ "$n" = 1 ] && echo 60 || echo 7200)
echo "{\\"accessToken\\": \\"eyJ0eXAi.number-$n.signature\\", \\"expires_on\\": $(($(date +%s) + in_s))}"
"""


def by_the_azure_cli(folder, monkeypatch, signed_in):
    """Sign in through a stand-in for the program az, whose first token expires in a minute."""
    program = folder / "az"
    program.write_text(AZ)
    program.chmod(0o755)
    if signed_in:
        (folder / "az.out").touch()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    return folder / "az.log"


def test_azure_identity_asks_for_a_token_again_only_before_it_expires(tmp_path, monkeypatch):
    log = by_the_azure_cli(tmp_path, monkeypatch, signed_in=True)

    async def inside():
        tokens = EntraTokens()
        return [await tokens() for _ in range(4)]

    found = asyncio.run(inside())
    assert found == ["eyJ0eXAi.number-1.signature", *["eyJ0eXAi.number-2.signature"] * 3]
    asked = log.read_text().splitlines()
    assert len(asked) == 2
    assert all("https://cognitiveservices.azure.com" in one for one in asked)


def test_doctor_hears_that_nobody_is_signed_in(tmp_path, monkeypatch):
    by_the_azure_cli(tmp_path, monkeypatch, signed_in=False)

    async def inside(address):
        used = OpenAIProvider(Connection(address, 20))
        try:
            await used.check("mugs")
        finally:
            await used.close()

    with recording() as server, pytest.raises(ProviderError, match="Entra ID gives no token") as caught:
        asyncio.run(inside(server.address))
    assert caught.value.failure is FailureKind.STOP
    assert server.requests == []


def test_nobody_signed_in_stops_the_run_before_anything_is_sent(monkeypatch):
    from azure.core.exceptions import ClientAuthenticationError

    def nobody():
        raise ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token.\nAttempted credentials: …")

    monkeypatch.setattr("azure.identity.DefaultAzureCredential", lambda: None)
    monkeypatch.setattr("azure.identity.get_bearer_token_provider", lambda *_: nobody)
    with recording() as server, pytest.raises(ProviderError, match=r"failed to retrieve a token\.$") as caught:
        ask(server.address, key_from=None)
    assert caught.value.failure is FailureKind.STOP
    assert "az login" in caught.value.remedy
    assert server.requests == []


def test_a_wrong_variable_of_azure_identity_is_told(monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")
    with pytest.raises(ProviderError, match="Invalid value for AZURE_TOKEN_CREDENTIALS") as caught:
        EntraTokens()
    assert caught.value.failure is FailureKind.STOP


def test_a_missing_package_is_told_with_its_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(ProviderError, match="signing in needs a package") as caught:
        EntraTokens()
    assert caught.value.failure is FailureKind.STOP
    assert "pip install 'imagemake[azure]'" in caught.value.remedy


@pytest.mark.parametrize("form", ["v1", "deployment"])
def test_the_sdks_own_client_for_azure_finds_the_stand_ins_addresses(server, monkeypatch, form):
    monkeypatch.delenv("OPENAI_CUSTOM_HEADERS")
    root = server.base_url.removesuffix("/v1")

    async def inside():
        if form == "v1":
            sdk = openai.AsyncOpenAI(base_url=f"{root}/openai/v1", api_key=KEY, max_retries=0)
        else:
            sdk = openai.AsyncAzureOpenAI(
                azure_endpoint=root, api_key=KEY, api_version="2025-04-01-preview", max_retries=0
            )
        try:
            await sdk.images.generate(model="mugs", prompt="A mug", extra_body={"size": "96x96"})
            await sdk.images.edit(model="mugs", prompt="A mug", image=("a.png", PNG, "image/png"), size="auto")
            with pytest.raises(openai.BadRequestError) as caught:
                await sdk.images.generate(model="mugs", prompt="A weapon")
            return caught.value
        finally:
            await sdk.close()

    error = asyncio.run(inside())
    assert error.code == "contentFilter"
    assert [call.status for call in server.calls()] == [200, 200, 400]
