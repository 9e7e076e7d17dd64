"""What a response of the Gemini API means: an image, a refusal with its category, or no image for another reason."""

import base64
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError, Result
from imagemake.plugins.providers.gemini.answers import image_in
from imagemake.plugins.providers.gemini.batches import result_in
from imagemake.plugins.providers.gemini.errors import error_of
from imagemake.plugins.providers.gemini.usage import usage_in

PIXELS = bytes(range(256)) * 3
PLAIN = base64.b64encode(PIXELS).decode()
IMAGE = {"inlineData": {"mimeType": "image/png", "data": PLAIN}}
RATING = {"category": "HARM_CATEGORY_SEXUALLY_EXPLICIT", "probability": "HIGH", "blocked": True}


def response(*parts, **more):
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP"}
    return orjson.dumps({"candidates": [candidate], "responseId": "r-1", "modelVersion": "m-001", **more})


def without_image(reason, **more):
    return orjson.dumps({"candidates": [{"finishReason": reason, **more}], "responseId": "r-1"})


def failure_of(body):
    with pytest.raises(ProviderError) as raised:
        image_in(body, {})
    return raised.value


def test_the_bytes_of_an_image_are_those_in_the_response():
    answer = image_in(response(IMAGE), {"x": "y"})
    assert (answer.image, answer.more, answer.request_id, answer.model) == (PIXELS, (), "r-1", "m-001")
    assert answer.seed_use == "sent"


def test_further_images_and_images_of_thoughts_are_kept_and_a_thought_is_never_the_image():
    thought = {"thought": True, "inlineData": {"data": base64.b64encode(b"sketch").decode()}}
    answer = image_in(response(thought, {"text": "Here it is."}, IMAGE, IMAGE), {})
    assert answer.image == PIXELS
    assert answer.more == (PIXELS, b"sketch")
    error = failure_of(response(thought))
    assert error.failure is FailureKind.UNREADABLE
    assert error.body is not None


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "A_NEW_ONE"])
def test_a_blocked_prompt_is_refused_with_its_category(reason):
    feedback = {"blockReason": reason, "safetyRatings": [RATING, {"category": "X", "probability": "NEGLIGIBLE"}]}
    error = failure_of(orjson.dumps({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 9}}))
    assert (error.failure, error.code) == (FailureKind.REFUSED, reason)
    assert str(error) == f"the prompt was blocked: {reason} (SEXUALLY_EXPLICIT: HIGH)"
    assert error.usage == {
        "input_tokens": 9,
        "output_tokens": 0,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": 0},
        "total_tokens": 9,
    }


@pytest.mark.parametrize(
    ("reason", "failure"),
    [
        *((one, FailureKind.REFUSED) for one in ("SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "SPII", "BLOCKLIST")),
        ("IMAGE_PROHIBITED_CONTENT", FailureKind.REFUSED),
        *((one, FailureKind.NOT_RETRYABLE) for one in ("NO_IMAGE", "IMAGE_RECITATION", "STOP", "MAX_TOKENS", "NEW")),
        *((one, FailureKind.UNAVAILABLE) for one in ("IMAGE_OTHER", "OTHER", "MALFORMED_RESPONSE")),
        ("PUP_LIMITED_DISABLED", FailureKind.STOP),
    ],
)
@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": {"role": "model"}}])
def test_a_finish_without_an_image_says_whether_to_ask_again(reason, failure, content):
    error = failure_of(without_image(reason, safetyRatings=[RATING], **content))
    assert (error.failure, error.code, error.status, error.request_id) == (failure, reason, 200, "r-1")
    assert f"{reason} (SEXUALLY_EXPLICIT: HIGH)" in str(error)
    assert error.body is None


def test_the_words_of_a_model_that_draws_nothing_are_told():
    error = failure_of(without_image("STOP", content={"parts": [{"text": "Which color\nshould it be?"}]}))
    assert str(error) == "the response holds no image: STOP, 'Which color should it be?'"


@pytest.mark.parametrize("data", ["iVBOR*", "", "%%%", 7])
def test_an_image_that_cannot_be_decoded_is_kept(data):
    body = response({"inlineData": {"data": data}})
    error = failure_of(body)
    assert (error.failure, error.body) == (FailureKind.UNREADABLE, body)


def test_an_image_in_a_torn_response_is_found():
    assert image_in(response(IMAGE)[:-9] + b"\xff", {}).image == PIXELS


@pytest.mark.parametrize("body", [b"", b"<html><title>Bad gateway</title></html>"])
def test_a_page_in_place_of_a_response_is_no_image_that_was_paid_for(body):
    error = failure_of(body)
    assert (error.failure, error.body) == (FailureKind.CONFIGURATION, None)


NAMES = ["candidates", "content", "parts", "inlineData", "data", "promptFeedback", "blockReason", "finishReason"]
NAMES += ["safetyRatings", "usageMetadata", "promptTokensDetails", "error", "details", "violations", "response", "key"]
PLAIN_DATA = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN_DATA)
def test_any_json_is_an_image_or_an_error_that_says_what_to_do(data):
    body = json.dumps(data).encode()
    with pytest.raises(ProviderError):
        image_in(body, {})
    error_of(400, body, {})
    result_in(body)


# Usage


def test_thoughts_are_output_at_the_price_of_text():
    usage = usage_in(
        {
            "usageMetadata": {
                "promptTokenCount": 570,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 10},
                    {"modality": "IMAGE", "tokenCount": 560},
                ],
                "candidatesTokenCount": 1150,
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
                "thoughtsTokenCount": 200,
                "totalTokenCount": 1920,
            }
        }
    )
    assert usage == {
        "input_tokens": 570,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 560},
        "output_tokens": 1350,
        "output_tokens_details": {"text_tokens": 230, "image_tokens": 1120},
        "total_tokens": 1920,
        "thoughts_tokens": 200,
    }


def test_counts_without_a_split_are_not_split():
    usage = usage_in({"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 1290}})
    assert usage == {"input_tokens": 10, "output_tokens": 1290, "total_tokens": 1300}


@pytest.mark.parametrize("told", [None, [], {}, {"promptTokenCount": -1}, {"promptTokenCount": True}])
def test_a_usage_that_is_none_is_unknown(told):
    assert usage_in({"usageMetadata": told}) is None


# Lines of a batch


def test_each_line_of_a_batch_has_the_outcome_of_its_request():
    made = result_in(b'{"key":"c1","response":%b}' % response(IMAGE))
    assert isinstance(made, Result) and isinstance(made.outcome, ImageResponse)
    assert (made.custom_id, made.outcome.image) == ("c1", PIXELS)
    refused = result_in(b'{"key":"c2","response":%b}' % without_image("IMAGE_SAFETY"))
    assert isinstance(refused, Result) and isinstance(refused.outcome, ProviderError)
    assert (refused.custom_id, refused.outcome.failure) == ("c2", FailureKind.REFUSED)


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (8, FailureKind.RATE_LIMITED),
        (13, FailureKind.UNAVAILABLE),
        (14, FailureKind.UNAVAILABLE),
        (4, FailureKind.UNAVAILABLE),  # a failure within a batch is not billed, so nothing is in doubt
        (1, FailureKind.NOT_RETRYABLE),
        (3, FailureKind.CONFIGURATION),
        (7, FailureKind.STOP),
        (None, FailureKind.UNAVAILABLE),
    ],
)
def test_a_line_with_an_error_was_not_made(code, failure):
    line = orjson.dumps({"key": "c", "error": {"code": code, "message": "so it is"}})
    found = result_in(line)
    assert isinstance(found, Result) and isinstance(found.outcome, ProviderError)
    assert (found.outcome.failure, str(found.outcome)) == (failure, "so it is")


def test_a_torn_line_costs_its_own_request_at_most():
    torn = b'{"key":"c","response":%b' % response(IMAGE)[:-3]
    found = result_in(torn)
    assert isinstance(found, Result) and isinstance(found.outcome, ImageResponse)
    assert result_in(b"{}") == result_in(b"[]") == result_in(b"not JSON") == "a line has no key"
