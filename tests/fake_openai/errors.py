"""The API's errors, verbatim if they were observed. `ASSUME` marks unobserved ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fake_openai.settings import RetryHint

INVALID_REQUEST = "invalid_request_error"
IMAGE_USER_ERROR = "image_generation_user_error"


class ApiError(Exception):
    """An error response.

    Args:
        status: HTTP status.
        message: The API's message.
        kind: The body's `type`.
        code: The body's `code`.
        param: The invalid parameter.
        headers: Additional headers.
        details: Additional fields of the error.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID_REQUEST,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code, **(details or {})}}


def quoted_list(values: Sequence[str]) -> str:
    """Return values as the API lists them: `'a', 'b', and 'c'`."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return f"{', '.join(quoted[:-1])}, and {quoted[-1]}"


def no_key() -> ApiError:
    return ApiError(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from "
        "https://platform.openai.com/account/api-keys.",
    )


def wrong_key(key: str) -> ApiError:
    shown = f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}" if len(key) > 16 else "*" * len(key)
    return ApiError(
        401,
        f"Incorrect API key provided: {shown}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    )


def unverified(model: str) -> ApiError:
    return ApiError(
        403,
        f"Your organization must be verified to use the model `{model}`. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization. If you just "
        "verified, it can take up to 15 minutes for access to propagate.",
    )


def model_gone(model: str, status: int) -> ApiError:
    if status == 404:
        return ApiError(
            404,
            f"The model `{model}` has been deprecated, learn more here: https://platform.openai.com/docs/deprecations",
            code="model_not_found",
        )
    return ApiError(
        400, f"The model '{model}' does not exist.", kind=IMAGE_USER_ERROR, code="invalid_value", param="model"
    )


def invalid_value(param: str, value: object, allowed: Sequence[str]) -> ApiError:
    return ApiError(
        400,
        f"Invalid value: '{value}'. Supported values are: {quoted_list(allowed)}.",
        code="invalid_value",
        param=param,
    )


def invalid(param: str, message: str, code: str = "invalid_value", kind: str = INVALID_REQUEST) -> ApiError:
    return ApiError(400, message, code=code, param=param, kind=kind)


def unknown_parameter(name: str) -> ApiError:
    return ApiError(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def missing_parameter(name: str) -> ApiError:
    return ApiError(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


def rate_limited(message: str, kind: str, retry_after_s: float | None, hint: RetryHint) -> ApiError:
    headers = {} if retry_after_s is None else retry_headers(retry_after_s, hint)
    return ApiError(429, message, kind=kind, code="rate_limit_exceeded", headers=headers)


def insufficient_quota() -> ApiError:
    return ApiError(
        429,
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
        kind="insufficient_quota",
        code="insufficient_quota",
    )


def billing_limit() -> ApiError:
    return ApiError(400, "Billing hard limit has been reached.", code="billing_hard_limit_reached")


def moderation_blocked(request_id: str, stage: str, categories: Sequence[str]) -> ApiError:
    return ApiError(
        400,
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        f"help.openai.com and include the request ID {request_id}. safety_violations=[{', '.join(categories)}].",
        kind=IMAGE_USER_ERROR,
        code="moderation_blocked",
        details={"moderation_details": {"moderation_stage": stage, "categories": list(categories)}},
    )


def server_error(status: int, request_id: str) -> ApiError:
    return ApiError(
        status,
        "The server had an error while processing your request. Sorry about that! You can retry your request, or "
        "contact us through our help center at help.openai.com if you keep seeing this error. (Please include the "
        f"request ID {request_id} in your email.)",
        kind="server_error",
    )


def overloaded(retry_after_s: float, hint: RetryHint) -> ApiError:
    return ApiError(
        503,
        "The engine is currently overloaded, please try again later.",
        kind="server_error",
        code="overloaded",
        headers=retry_headers(retry_after_s, hint),
    )


def retry_headers(wait_s: float, hint: RetryHint) -> dict[str, str]:
    """Return the headers with the waiting time; `retry-after` in whole seconds, rounded up."""
    headers = {}
    if hint in ("retry-after", "both"):
        headers["retry-after"] = str(-int(-wait_s // 1))
    if hint in ("retry-after-ms", "both"):
        headers["retry-after-ms"] = str(-int(-wait_s * 1000 // 1))
    return headers
