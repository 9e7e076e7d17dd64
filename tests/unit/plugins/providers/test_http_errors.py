"""Whose fault an error is: the prompt's, the account's or configuration's, or the moment's."""

import json
import time
from contextlib import contextmanager
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagemake.core.backoff import LONGEST_ASKED_S, backoff_s
from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.http.answers import image_in
from imagemake.plugins.providers.http.error_text import MAX_CHARACTERS, read_error, retry_after_s
from imagemake.plugins.providers.http.errors import error_of


def openai_error(message="it failed", **more):
    return {"error": {"message": message, **more}}


PROMPT = [
    (400, openai_error("rejected", type="image_generation_user_error", code="moderation_blocked")),
    (400, openai_error("Your request was rejected by our safety system.")),
    (400, openai_error("blocked", code="content_policy_violation")),
    (400, openai_error("blocked", code="contentFilter")),
    (400, openai_error("too long", type="invalid_request_error", param="prompt", code="string_above_max_length")),
    (403, openai_error("input flagged", metadata={"reasons": ["violence"]})),
    (422, {"detail": [{"loc": ["body", "prompt"], "msg": "ensure this value has at most 1000 characters"}]}),
    (400, openai_error("bad file", param="image[0]")),
]
ACCOUNT = [
    (401, openai_error("Incorrect API key provided", code="invalid_api_key")),
    (400, openai_error("API key not valid. Please pass a valid API key.", code=400, status="INVALID_ARGUMENT")),
    (403, openai_error("Your organization must be verified to use this model")),
]
QUOTA = [
    (402, openai_error("Insufficient credits", code=402)),
    (429, openai_error("You exceeded your current quota", code="insufficient_quota")),
    (429, openai_error("limit", code="organization_spend_limit_exceeded")),
    (400, openai_error("limit", code="billing_hard_limit_reached")),
]
CONFIGURATION = [
    (404, openai_error("Not Found")),
    (404, "<html><head><title>404 - no such page</title></head></html>"),
    (404, {"detail": "Not Found"}),
    (405, {"detail": "Method Not Allowed"}),
    (400, openai_error("The model `x` does not exist", type="invalid_request_error", code="model_not_found")),
    (404, openai_error("The API deployment for this resource does not exist.", code="DeploymentNotFound")),
    (400, openai_error("It does not exist.", type="image_generation_user_error", code="invalid_value", param="model")),
    (400, openai_error("Unknown parameter: 'qualty'", param="qualty", code="unknown_parameter")),
    (422, {"detail": [{"loc": ["body", "size"], "msg": "value is not a valid enumeration member"}]}),
    (400, {"error": "unsupported size"}),
]
MOMENT = [
    (429, openai_error("slow down", code="rate_limit_exceeded"), {}, FailureKind.RATE_LIMITED),
    (408, "", {}, FailureKind.UNKNOWN),
    (409, "", {}, FailureKind.UNKNOWN),
    (500, openai_error("The server had an error"), {}, FailureKind.UNKNOWN),
    (503, "", {}, FailureKind.UNKNOWN),
    (503, openai_error("overloaded"), {"retry-after": "2"}, FailureKind.UNAVAILABLE),
    (521, "<html><title>Web server is down</title></html>", {}, FailureKind.UNAVAILABLE),
]


def encoded(body):
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def failure(status, body, headers=None):
    return error_of(status, encoded(body), headers or {})


@pytest.mark.parametrize(("status", "body"), PROMPT)
def test_what_is_about_the_content_of_one_request_is_final_for_it(status, body):
    assert failure(status, body).failure is FailureKind.REFUSED


@pytest.mark.parametrize(("status", "body"), ACCOUNT)
def test_what_is_about_the_account_stops_the_run_with_a_remedy(status, body):
    error = failure(status, body)
    assert error.failure is FailureKind.STOP
    assert error.remedy


@pytest.mark.parametrize(("status", "body"), QUOTA)
def test_what_is_about_money_is_told_apart_because_another_model_can_take_over(status, body):
    error = failure(status, body)
    assert error.failure is FailureKind.QUOTA
    assert "quota" in error.remedy


@pytest.mark.parametrize(("status", "body"), CONFIGURATION)
def test_what_is_about_route_model_or_parameter_is_final_for_nothing(status, body):
    error = failure(status, body)
    assert error.failure is FailureKind.CONFIGURATION
    assert "config.yaml" in error.remedy


@pytest.mark.parametrize(("status", "body", "headers", "kind"), MOMENT)
def test_what_is_about_the_moment_is_tried_again_and_billed_only_if_it_arrived(status, body, headers, kind):
    assert failure(status, body, headers).failure is kind


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (openai_error("upstream failed"), "upstream failed"),
        ("<html><head><title>Sign in</title></head><body>…</body></html>", "Sign in"),
        ("", "the body is empty"),
        ("  \n", "the body is empty"),
        ({"error": "no such model"}, "no such model"),
    ],
)
def test_a_good_status_without_an_image_is_not_paid_for_and_not_final(body, words):
    with pytest.raises(ProviderError, match=words) as caught:
        image_in(encoded(body), {})
    assert caught.value.failure is FailureKind.CONFIGURATION
    assert caught.value.body is None


def test_an_error_in_a_good_response_keeps_the_meaning_of_its_code():
    with pytest.raises(ProviderError) as caught:
        image_in(encoded(openai_error("no credit", code=402)), {})
    assert caught.value.failure is FailureKind.QUOTA
    with pytest.raises(ProviderError) as caught:
        image_in(encoded(openai_error("busy", code=429)), {})
    assert caught.value.failure is FailureKind.RATE_LIMITED


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (openai_error("one"), "one"),
        ({"detail": "two"}, "two"),
        ({"detail": [{"loc": ["body", "size"], "msg": "three"}]}, "size: three"),
        ({"error": "four"}, "four"),
        ({"message": "five"}, "five"),
        ({"errors": 1, "title": "six"}, "six"),
        ([{"error": {"message": "seven"}}], "seven"),
        ("<html><title>eight &amp; more</title><body>no</body></html>", "eight & more"),
        ("nine, in plain words", "nine, in plain words"),
        ("<p>ten</p>", "ten"),
    ],
)
def test_the_providers_own_words_are_found_in_every_form(body, message):
    assert read_error(encoded(body)).message == message


@given(st.binary(max_size=2000))
def test_whatever_comes_ends_in_one_printable_line(body):
    message = read_error(body).message
    assert message.isprintable()
    assert len(message) <= MAX_CHARACTERS


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_any_json_ends_in_one_printable_line_and_a_known_kind(data):
    error = failure(400, {"error": data, "detail": data})
    assert str(error).isprintable()
    assert error.failure in FailureKind


def test_control_characters_of_a_message_do_not_reach_the_screen():
    assert str(failure(400, openai_error("a\x1b[31m\u202eb\nc\x00"))).startswith(r"a\x1b[31m\u202eb c\x00")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": formatdate(1_800_000_004, usegmt=True)}, 4.0),
        ({"retry-after": formatdate(1_700_000_000, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_as_seconds_or_as_a_date(headers, seconds):
    assert retry_after_s(headers, now=1_800_000_000) == seconds


@pytest.mark.parametrize(
    "body",
    [
        {"error": "insufficient_quota"},
        {"error": {"message": "insufficient_quota"}},
        {"code": "insufficient_quota", "message": "no"},
        {"detail": {"code": "insufficient_quota", "message": "no"}},
        {"detail": [{"code": "insufficient_quota", "msg": "no"}]},
        [{"error": {"code": "insufficient_quota", "message": "no"}}],
        {"errors": [{"code": "insufficient_quota", "message": "no"}]},
        {"error": {"error": {"code": "INSUFFICIENT_QUOTA", "message": "no"}}},
        {"error": {"code": "1113", "message": "Insufficient balance"}},
    ],
)
@pytest.mark.parametrize("status", [400, 403, 429])
def test_money_that_is_gone_is_understood_wherever_the_server_says_it(body, status):
    assert failure(status, body).failure is FailureKind.QUOTA


DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Fri", "Mon", ""]),
    st.integers(-1, 32),
    st.sampled_from(["Jan", "Dec", "13"]),
    st.integers(0, 99_999),
    st.integers(-1, 24),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from(["GMT", "-0000", "+2359", "-2359", "+999999", ""]),
)


@given(wait=st.one_of(DATES, st.floats().map(str), st.integers().map(str), st.text()))
@example(wait="Fri, 31 Dec 9999 23:59:59 -0000")
@example(wait="Mon, 01 Jan 0001 00:00:00 -0000")
def test_no_form_of_retry_after_ends_the_run_or_holds_it_for_longer_than_an_hour(wait):
    with east_of_greenwich():
        asked_s = retry_after_s({"retry-after": wait})
    assert asked_s is None or asked_s >= 0
    assert 0 <= backoff_s(1.0, 60.0, 1, asked_s) <= LONGEST_ASKED_S + 1.0


@contextmanager
def east_of_greenwich():
    """Let local time be ahead of UTC, so that the last hours of the last year are past what a date can hold."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("before", range(MAX_CHARACTERS - 40, MAX_CHARACTERS + 1, 5))
def test_a_key_is_not_cut_in_half_where_a_message_ends(before, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    for body in (json.dumps(openai_error("x" * before + "sk-0123456789abcdef")), "x" * before + "sk-0123456789abcdef"):
        assert "sk-0" not in read_error(body.encode()).message, "the start of the key is left"
