"""What an error of the Gemini API means: about the prompt, the account or configuration, or the moment."""

import orjson
import pytest

from imagemake.plugins.providers import FailureKind
from imagemake.plugins.providers.gemini.errors import error_of

RPC = "type.googleapis.com/google.rpc"


def found(status, word, message="so it is", details=(), headers=None):
    error = {"code": status, "status": word, "message": message, "details": list(details)}
    return error_of(status, orjson.dumps({"error": error}), headers or {})


def exhausted(quota, value="10", **more):
    failure = {"@type": f"{RPC}.QuotaFailure", "violations": [{"quotaId": quota, "quotaValue": value}]}
    return found(
        429, "RESOURCE_EXHAUSTED", details=[failure, {"@type": f"{RPC}.RetryInfo", "retryDelay": "17.5s"}], **more
    )


@pytest.mark.parametrize(
    ("status", "word", "message", "failure"),
    [
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", FailureKind.STOP),
        (401, "UNAUTHENTICATED", "no", FailureKind.STOP),
        (403, "PERMISSION_DENIED", "Your project is not enabled", FailureKind.STOP),
        (403, "PERMISSION_DENIED", "You do not have permission to access the File files/x", FailureKind.UNAVAILABLE),
        (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", FailureKind.STOP),
        (404, "NOT_FOUND", "models/x is not found", FailureKind.CONFIGURATION),
        (400, "INVALID_ARGUMENT", 'Unknown name "quality"', FailureKind.CONFIGURATION),
        (400, "INVALID_ARGUMENT", "Unable to process input image. Please retry", FailureKind.REFUSED),
        (400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes.", FailureKind.REFUSED),
        (413, "", "Too large", FailureKind.REFUSED),
        (500, "INTERNAL", "An internal error has occurred.", FailureKind.UNAVAILABLE),
        (503, "UNAVAILABLE", "The model is overloaded.", FailureKind.UNAVAILABLE),
        (504, "DEADLINE_EXCEEDED", "Deadline expired", FailureKind.UNKNOWN),
        (502, "BAD_GATEWAY", "", FailureKind.UNKNOWN),
        (307, "", "", FailureKind.CONFIGURATION),
    ],
)
def test_an_error_is_booked_to_whom_it_belongs(status, word, message, failure):
    error = found(status, word, message)
    assert (error.failure, error.status, error.code) == (failure, status, word or None)
    assert str(error) == f"{message or 'no message'} (HTTP {status})"
    assert bool(error.remedy) == (failure in (FailureKind.STOP, FailureKind.CONFIGURATION))


def test_a_limit_per_minute_says_how_long_to_wait():
    error = exhausted("GenerateRequestsPerMinutePerProjectPerModel")
    assert (error.failure, error.retry_after_s) == (FailureKind.RATE_LIMITED, 17.5)
    assert found(429, "RESOURCE_EXHAUSTED", headers={"retry-after": "3"}).retry_after_s == 3


@pytest.mark.parametrize(
    ("quota", "value", "message"),
    [
        ("GenerateRequestsPerDayPerProjectPerModel", "100", "quota"),
        ("GenerateContentInputTokensPerModelPerMinute-FreeTier", "0", "limit: 0"),
        ("", "", "Your project has exceeded its monthly spending cap."),
        ("", "", "Your prepayment credits are depleted."),
    ],
)
def test_a_limit_that_does_not_return_within_minutes_stops_the_run(quota, value, message):
    error = exhausted(quota, value, message=message)
    assert error.failure is FailureKind.QUOTA
    assert "quota" in error.remedy


def test_the_reason_of_an_error_is_its_code():
    info = {"@type": f"{RPC}.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    error = found(400, "INVALID_ARGUMENT", "no", details=[info])
    assert (error.failure, error.code) == (FailureKind.STOP, "API_KEY_INVALID")


def test_a_field_of_this_request_alone_is_about_this_request():
    violation = {"field": "contents[0].parts[1]", "description": "no"}
    error = found(400, "INVALID_ARGUMENT", details=[{"@type": f"{RPC}.BadRequest", "fieldViolations": [violation]}])
    assert error.failure is FailureKind.REFUSED


def test_a_key_that_the_server_echoes_is_not_told(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaSyVerySecret0123456789")
    error = found(403, "PERMISSION_DENIED", "the key AIzaSyVerySecret0123456789 is bad")
    assert str(error) == "the key [secret] is bad (HTTP 403)"


@pytest.mark.parametrize("body", [b"", b"<title>Bad gateway</title>", b"[]", b'[{"error":{"message":"x"}}]', b"{}"])
def test_any_error_page_is_an_error(body):
    assert error_of(502, body, {}).failure is FailureKind.UNKNOWN
