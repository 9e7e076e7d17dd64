"""OpenRouter's API: what is sent, what comes back, what it cost, and whose fault an error is."""

import asyncio
from base64 import b64encode
from io import BytesIO

import orjson
import pytest
from fake_openrouter import STAND_IN_KEY, FakeOpenRouter, Rule
from fake_openrouter.catalog import ENDPOINTS
from fake_openrouter.faults import FAULTS, NO_IMAGE
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imagemake.config.models import ModelFacts
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import (
    Connection,
    Dialect,
    FailureKind,
    ImageResponse,
    ProviderError,
    SeedUse,
    provider_class,
    response_to,
)
from imagemake.plugins.providers.openrouter.body import body_of
from imagemake.plugins.providers.openrouter.costs import cost_usd
from imagemake.plugins.providers.openrouter.listing import read_endpoints
from imagemake.plugins.providers.openrouter.pricing import line_of, price_facts

FLUX, GEMINI = "black-forest-labs/flux.2-pro", "google/gemini-3-pro-image"
words = st.sampled_from(
    [
        "provider_slug",
        "pricing",
        "supported_parameters",
        "type",
        "enum",
        "range",
        "values",
        "min",
        "max",
        "seed",
        "n",
        "a",
    ]
)
SEEDED = Dialect(seed="seed")


@pytest.fixture(scope="module")
def running():
    with FakeOpenRouter(rules=[Rule(f"^{name}$", name) for name in (*FAULTS, NO_IMAGE)]) as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", STAND_IN_KEY)
    running.calls.clear()
    running.credit_usd = None
    return running


def recipe(prompt="a mug", model=FLUX, **more):
    return Recipe("openrouter", model, prompt, more.pop("seed", 7), more.pop("parameters", {}), **more)


async def asked(server, wanted, images=None, **connection):
    provider = provider_class("openrouter")(
        Connection(server.base_url, 10.0, key_from="OPENROUTER_API_KEY", **connection)
    )
    try:
        return await response_to(provider, wanted, images or {})
    finally:
        await provider.close()


def image_for(server, wanted, images=None, **connection) -> ImageResponse:
    return asyncio.run(asked(server, wanted, images, **connection))


def failure_of(server, wanted, **connection) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        image_for(server, wanted, **connection)
    return caught.value


def sent(wanted, dialect=SEEDED):
    return orjson.loads(body_of(wanted, {}, dialect))


def test_the_cost_that_the_response_tells_is_the_cost_to_the_cent(server):
    png = BytesIO()
    Image.new("RGB", (8, 8)).save(png, "png")
    answer = image_for(server, recipe(references=("a" * 64,)), {"a" * 64: png.getvalue()})
    assert answer.cost_usd == server.billed_usd == 0.045
    assert Image.open(BytesIO(answer.image)).size == (128, 128)


def test_equal_seeds_give_equal_bytes_where_the_endpoint_takes_seeds(server):
    first, second, other = (image_for(server, recipe(seed=seed)) for seed in (7, 7, 8))
    assert first.image == second.image != other.image


def test_a_model_without_seeds_is_sent_none_and_the_provider_says_so(server):
    image_for(server, recipe(), known_of=lambda model: {"seed": None})
    assert "seed" not in server.calls[0].body
    known = {FLUX: {"seed": None}}
    provider = provider_class("openrouter")(Connection(server.base_url, known_of=lambda model: known.get(model, {})))
    assert (provider.seed_use(FLUX), provider.seed_use(GEMINI)) == (SeedUse.NOT_SENT, SeedUse.SENT)


def test_the_pinned_endpoint_makes_the_image(server):
    pinned = {"provider": {"only": ["google-vertex"], "allow_fallbacks": False}}
    image_for(server, recipe(model=GEMINI, parameters=pinned))
    assert server.calls[0].endpoint == "google-vertex"
    assert server.calls[0].body["provider"] == pinned["provider"]


def test_headers_of_the_configuration_are_sent(server):
    image_for(server, recipe(), headers={"HTTP-Referer": "https://shop.example", "X-OpenRouter-Title": "Autumn"})
    headers = server.calls[0].headers
    assert (headers["http-referer"], headers["x-openrouter-title"]) == ("https://shop.example", "Autumn")


def test_a_call_is_one_request_whatever_the_status(server):
    for name in FAULTS:
        failure_of(server, recipe(name))
    assert len(server.calls) == len(FAULTS)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("moderation", FailureKind.REFUSED, "violence"),
        ("moderation_in_200", FailureKind.REFUSED, "violence"),
        ("upstream_refused", FailureKind.REFUSED, "Seed says: content_policy_violation"),
        ("upstream_rejected", FailureKind.CONFIGURATION, "bad width"),
        ("guardrail", FailureKind.STOP, "guardrail"),
        ("credits", FailureKind.QUOTA, "Insufficient credits"),
        ("credits_in_200", FailureKind.QUOTA, "Insufficient credits"),
        ("rate_limited", FailureKind.RATE_LIMITED, "Rate limit"),
        ("no_provider", FailureKind.UNAVAILABLE, "No available model provider"),
        ("overloaded", FailureKind.UNAVAILABLE, "overloaded"),
        ("overloaded_in_200", FailureKind.UNAVAILABLE, "overloaded"),
        ("internal", FailureKind.UNKNOWN, "Internal"),
        ("bad_gateway", FailureKind.UNKNOWN, "invalid response"),
        ("edge_timeout", FailureKind.UNKNOWN, "timeout"),
        ("too_large", FailureKind.CONFIGURATION, "too large"),
        (NO_IMAGE, FailureKind.UNREADABLE, "no image"),
    ],
)
def test_an_error_is_booked_to_whom_it_belongs(server, fault, kind, words):
    error = failure_of(server, recipe(fault))
    assert error.failure is kind
    assert words in str(error)
    assert error.remedy or kind is not FailureKind.STOP


def test_a_response_without_an_image_was_billed_and_its_cost_is_told(server):
    error = failure_of(server, recipe(NO_IMAGE))
    assert error.cost_usd == server.billed_usd == 0.03
    assert error.body


def test_a_model_or_an_endpoint_that_is_not_there_is_a_matter_of_the_configuration(server):
    nowhere = {"provider": {"only": ["nowhere"]}}
    for wanted in (recipe(model="no/model"), recipe(parameters=nowhere)):
        error = failure_of(server, wanted)
        assert error.failure is FailureKind.CONFIGURATION
        assert "imagemake models" in error.remedy


def test_a_wrong_key_stops_the_run(server, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-wrong")
    assert failure_of(server, recipe()).failure is FailureKind.STOP


@pytest.mark.parametrize("key", ["sk-or-v1-ключ", "sk-or\nv1-0123456789"])
def test_a_key_that_no_header_can_hold_is_told_before_any_call(server, monkeypatch, key):
    monkeypatch.setenv("OPENROUTER_API_KEY", key)
    error = failure_of(server, recipe())
    assert error.code == "invalid_header"
    assert key not in str(error)
    assert not server.calls


def test_another_server_gets_no_key_that_was_not_named_for_it(server):
    async def ask():
        provider = provider_class("openrouter")(Connection(server.base_url, 10.0))
        await provider.generate(recipe())

    with pytest.raises(ProviderError):
        asyncio.run(ask())
    assert "authorization" not in server.calls[0].headers


def test_a_server_that_nobody_listens_at_costs_nothing_and_is_named():
    provider = provider_class("openrouter")(Connection("http://127.0.0.1:9/api/v1", 5.0))
    with pytest.raises(ProviderError, match=r"http://127\.0\.0\.1:9") as caught:
        asyncio.run(provider.generate(recipe()))
    assert caught.value.failure is FailureKind.UNREACHABLE


@pytest.mark.parametrize(
    ("size", "fields"),
    [
        ("2:3", {"aspect_ratio": "2:3"}),
        ("21:9@2k", {"aspect_ratio": "21:9", "resolution": "2K"}),
        ("1024x1536", {"size": "1024x1536"}),
        ("2K", {"size": "2K"}),
        ("auto", {}),
    ],
)
def test_a_size_is_sent_in_the_fields_that_the_api_has_for_it(size, fields):
    bare = {"model": FLUX, "prompt": "a mug", "seed": 7}
    assert sent(recipe(parameters={"size": size})) == {**bare, **fields}


@pytest.mark.parametrize("more", [{"negative_prompt": "text"}, {"mask": "b" * 64, "references": ("a" * 64,)}])
def test_what_the_api_would_silently_drop_is_not_sent_at_all(more):
    with pytest.raises(ProviderError, match="OpenRouter's image API has no") as caught:
        body_of(recipe(**more), {"a" * 64: b"", "b" * 64: b""}, SEEDED)
    assert caught.value.failure is FailureKind.STOP


def test_references_are_sent_in_their_order_with_their_true_type():
    png, jpeg = (BytesIO(), BytesIO())
    Image.new("RGB", (8, 8)).save(png, "png")
    Image.new("RGB", (8, 8)).save(jpeg, "jpeg")
    images = {"a" * 64: png.getvalue(), "b" * 64: jpeg.getvalue()}
    body = orjson.loads(body_of(recipe(references=("b" * 64, "a" * 64)), images, SEEDED))
    assert [one["image_url"]["url"] for one in body["input_references"]] == [
        f"data:image/jpeg;base64,{b64encode(jpeg.getvalue()).decode()}",
        f"data:image/png;base64,{b64encode(png.getvalue()).decode()}",
    ]


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"cost": 0.04}, 0.04),
        ({"cost": 0}, 0.0),
        ({"cost": None}, None),
        ({}, None),
        (None, None),
        ({"cost": "0.04"}, None),
        ({"cost": -1}, None),
        ({"cost": float("nan")}, None),
        ({"cost": True}, None),
        ({"cost": 1e9}, None),
        ({"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.25}}, 0.75),
        ({"cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.25}}, 0.5),
        ({"cost": 0.5, "is_byok": True, "cost_details": None}, 0.5),
    ],
)
def test_a_cost_is_taken_only_if_it_is_one(usage, usd):
    assert cost_usd(usage) == usd


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda s: st.dictionaries(st.text(), s)))
def test_whatever_the_metadata_hold_an_error_is_one_printable_line(metadata):
    from imagemake.plugins.providers.http.client import HttpAnswer
    from imagemake.plugins.providers.openrouter.errors import error_of

    body = orjson.dumps({"error": {"code": 403, "message": "no", "metadata": metadata}}, default=str)
    error = error_of(HttpAnswer(403, {}, body))
    assert str(error).isprintable()
    assert error.failure in (FailureKind.STOP, FailureKind.REFUSED)


def test_a_check_tells_the_model_and_what_is_left_of_the_key(server):
    server.credit_usd = 12.5

    async def check(model):
        connection = Connection(server.base_url, 10.0, key_from="OPENROUTER_API_KEY")
        provider = provider_class("openrouter")(connection)
        try:
            return await provider.check(model)
        finally:
            await provider.close()

    known = asyncio.run(check(FLUX))
    assert known.words == "the server knows it; $12.50 of the key's limit is left"
    assert not known.is_fault and known.time is not None
    unknown = asyncio.run(check("black-forest-labs/flux2-pro"))
    assert unknown.is_fault and "Did you mean 'black-forest-labs/flux.2-pro'?" in unknown.words
    assert not server.calls


@pytest.mark.parametrize(
    ("lines", "facts"),
    [
        ([("output_image", "image", 0.04)], {"prices": {"usd_per_image": 0.04}}),
        ([("output_image", "request", 1)], {"prices": {"usd_per_image": 1}}),
        ([("output_image", "image", 0.03), ("input_reference", "image", 0.01)], {"max_usd_per_image": 0.11}),
        ([("output_image", "image", 0.04, "1K"), ("output_image", "image", 0.25, "2K")], {"max_usd_per_image": 0.25}),
        ([("output_image", "megapixel", 0.03)], {}),
        ([("output_image", "image", 0.03), ("input_text", "token", 1e-6)], {}),
        ([("input_text", "token", 1e-6)], {}),
        (
            [("input_text", "token", 2e-6), ("output_image", "token", 0.00012)],
            {"prices": {"usd_per_million_tokens": {"text_in": 2, "image_in": 2, "image_out": 120}}},
        ),
    ],
)
def test_prices_are_facts_only_where_they_are_certain(lines, facts):
    names = ("billable", "unit", "cost_usd", "variant")
    known = [line_of(dict(zip(names, line, strict=False))) for line in lines]
    assert price_facts(known, 8) == facts


def test_the_list_tells_what_each_endpoint_takes_and_costs(server):
    listed = listed_by(server)
    assert sorted(listed.models) == sorted(ENDPOINTS)
    assert [*listed.models[GEMINI]] == ["google-ai-studio", "google-vertex"]
    flux = listed.models[FLUX]["black-forest-labs"]
    assert flux.facts["parameters"]["resolution"] == {"one_of": ["1K", "2K"]}
    assert "seed" not in flux.facts["parameters"] and "determinism" not in flux.facts
    assert flux.facts["max_reference_images"] == 8 and flux.facts["max_usd_per_image"] == 0.15
    assert flux.pricing == ("output image: $0.03 per image", "input reference: $0.015 per image")
    assert listed.models[GEMINI]["google-ai-studio"].facts["determinism"] == "unseeded"
    assert listed.models[GEMINI]["google-vertex"].pricing[0] == "input text: $2 per million tokens"
    assert not listed.ignored and not server.calls


def listed_by(server):
    async def ask():
        provider = provider_class("openrouter")(Connection(server.base_url, 10.0, key_from="OPENROUTER_API_KEY"))
        try:
            return await provider.list_models()
        finally:
            await provider.close()

    return asyncio.run(ask())


def test_a_key_that_a_list_echoes_gets_into_no_file(server):
    server.lists = {"/images/models": orjson.dumps({"data": [{"id": f"a/{STAND_IN_KEY}"}]})}
    try:
        assert STAND_IN_KEY not in str(listed_by(server))
    finally:
        server.lists = {}


def test_what_is_wrong_in_a_list_is_left_out_and_told(server):
    endpoint = {
        "provider_slug": "seed",
        "pricing": [{"billable": "output_image", "unit": "image", "cost_usd": "free"}, 7],
        "supported_parameters": {
            "resolution": {"type": "enum", "values": ["\x1b[31m"]},
            "quality": {"type": "tensor"},
            "../../x": {"type": "boolean"},
            "output_compression": {"type": "range", "min": 0, "max": 100},
        },
    }
    name = "bytedance-seed/seedream-4.5"
    models = [{"id": name}, {"id": "../../etc/passwd"}, {"id": 7}, "x", {"id": FLUX}]
    server.lists = {
        "/images/models": orjson.dumps({"data": models}),
        f"/images/models/{name}/endpoints": orjson.dumps({"endpoints": [endpoint, {"provider_slug": "a b\n"}, 5]}),
        f"/images/models/{FLUX}/endpoints": b"<html>",
    }
    try:
        listed = listed_by(server)
    finally:
        server.lists = {}
    assert listed.models[FLUX] == {}
    facts = listed.models[name]["seed"].facts
    assert facts["parameters"]["output_compression"] == {"min": 0, "max": 100}
    assert facts["parameters"]["resolution"] == facts["parameters"]["quality"] == {}
    assert "prices" not in facts
    assert len(listed.ignored) == 3 + 2 + 1 + 1 + 1 + 2, listed.ignored
    assert all(line.isprintable() for line in listed.ignored)


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(words, s))
)
def test_any_list_of_endpoints_ends_in_facts_that_can_be_written(endpoints):
    ignored: list[str] = []
    raw = endpoints if isinstance(endpoints, list) else [endpoints]
    for _, endpoint in read_endpoints("a/b", raw, ignored):
        ModelFacts.model_validate({name: fact for name, fact in endpoint.facts.items() if name != "prices"})
    assert all(line.isprintable() for line in ignored)
