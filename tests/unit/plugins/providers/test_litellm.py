"""What LiteLLM's proxy says: its responses here are those of litellm 1.108.7 in front of the stand-in."""

import asyncio

import pytest
from recording_server import recording

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ProviderError
from imagemake.plugins.providers.http.errors import error_of
from imagemake.plugins.providers.openai import provider as openai_provider
from imagemake.plugins.providers.openai.provider import OpenAIProvider

CALL_ID = "3e0cc3fc-4f71-4809-8c4e-c5139efca124"
TOLD = {"x-litellm-call-id": CALL_ID, "x-litellm-response-cost": "0.005925"}
IMAGE = {"data": [{"b64_json": "aGVsbG8="}]}
FAILED = r"\n\nLiteLLM: model group 'gpt-image-2' failed with the error above. No fallback was attempted."


def error(message, kind, code):
    return f'{{"error":{{"message":"{message}","type":"{kind}","param":null,"code":"{code}"}}}}'.encode()


def ask(headers, answer=IMAGE):
    async def inside(address):
        used = OpenAIProvider(Connection(address, 20))
        try:
            return await used.generate(Recipe("openai", "gpt-image-2", "A mug", 1))
        finally:
            await used.close()

    with recording(answer, headers=headers) as server:
        return asyncio.run(inside(server.address))


def test_the_proxys_cost_and_call_are_those_of_the_image():
    answer = ask(TOLD)
    assert (answer.cost_usd, answer.request_id) == (0.005925, CALL_ID)


@pytest.mark.parametrize("cost", [None, "None", "0.0", "-1", "nan", "inf", "free"])
def test_a_cost_that_is_none_leaves_it_to_the_model_table(cost):
    told = {name: value for name, value in (TOLD | {"x-litellm-response-cost": cost}).items() if value}
    assert ask(told).cost_usd is None


def test_a_response_without_an_image_has_its_cost():
    with pytest.raises(ProviderError) as caught:
        ask(TOLD, {"data": []})
    assert (caught.value.failure, caught.value.cost_usd) == (FailureKind.UNREADABLE, 0.005925)


def test_a_cost_in_ticks_is_that_of_the_call_as_xai_tells_it():
    assert ask({}, {**IMAGE, "usage": {"cost_in_usd_ticks": 200_000_000}}).cost_usd == pytest.approx(0.02)
    assert ask({}, {**IMAGE, "usage": {"cost_in_usd_ticks": True}}).cost_usd is None


def test_openai_itself_tells_no_cost(monkeypatch):
    monkeypatch.setattr(openai_provider, "is_of_domain", lambda *_: True)
    assert ask(TOLD).cost_usd is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "remedy"),
    [
        (
            429,
            error(
                "litellm.RateLimitError: RateLimitError: OpenAIException - You exceeded your current quota, please "
                "check your plan and billing details. For more information on this error, read the docs: "
                f"https://platform.openai.com/docs/guides/error-codes/api-errors.{FAILED}",
                "throttling_error",
                429,
            ),
            FailureKind.QUOTA,
            "quota",
        ),
        (
            429,
            error(
                "litellm.RateLimitError: GeminiException - You exceeded your current quota, please check your plan and "
                "billing details. For more information on this error, head to: "
                f"https://ai.google.dev/gemini-api/docs/rate-limits.{FAILED}",
                "throttling_error",
                429,
            ),
            FailureKind.RATE_LIMITED,
            "",
        ),
        (
            400,
            error(
                f"litellm.BadRequestError: OpenAIException - Billing hard limit has been reached.{FAILED}",
                "invalid_request_error",
                400,
            ),
            FailureKind.QUOTA,
            "quota",
        ),
        (422, error("Budget has been exceeded! Current cost: 0.2", "budget_exceeded", 422), FailureKind.QUOTA, "quota"),
        (400, error("No connected db.", "no_db_connection", 400), FailureKind.STOP, "valid key"),
        (
            400,
            error(
                "400: {'error': '/image/generations: Invalid model name passed in model=nope. Call `/v1/models` to "
                "view available models for your key.'}",
                "invalid_request_error",
                400,
            ),
            FailureKind.CONFIGURATION,
            "model.name",
        ),
        (
            400,
            error(
                "litellm.BadRequestError: OpenAIException - Your request was rejected by the safety system. "
                f"safety_violations=[violence].{FAILED}",
                "image_generation_user_error",
                400,
            ),
            FailureKind.REFUSED,
            "",
        ),
        (
            500,
            error(
                f"litellm.APIConnectionError: APIConnectionError: OpenAIException - Connection error.{FAILED}",
                "internal_server_error",
                500,
            ),
            FailureKind.UNKNOWN,
            "",
        ),
    ],
)
def test_its_errors_are_told_apart_although_it_drops_the_codes(status, body, kind, remedy):
    found = error_of(status, body, {"x-litellm-call-id": CALL_ID})
    assert (found.failure, found.request_id) == (kind, CALL_ID)
    assert remedy in found.remedy
