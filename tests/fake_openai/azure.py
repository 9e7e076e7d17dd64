"""Azure's form of the API: other addresses, names of deployments, its own key header, and its own errors.

ASSUME: the texts of errors are from Azure's documentation and from reports; no call was made to Azure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from fake_openai import errors
from fake_openai.settings import Settings

V1, DEPLOYMENTS = "/openai/v1", "/openai/deployments/{deployment}"


def is_azure(request: web.Request) -> bool:
    """Return whether a request is for Azure's form of the API."""
    return request.path.startswith("/openai/")


def authorization_of(request: web.Request) -> str | None:
    """Return the header with the key or token: Azure's own header, or the usual one."""
    key = request.headers.get("api-key")
    return f"Bearer {key}" if key and is_azure(request) else request.headers.get("Authorization")


def with_model(request: web.Request, body: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return a body whose model is that of the deployment that the request names.

    Raises:
        ApiError: 404, if there is no such deployment, or an address of the older form has no version.
    """
    if not is_azure(request):
        return body
    in_path = request.match_info.get("deployment")
    if in_path is not None and not request.query.get("api-version"):
        raise errors.ApiError(404, "Resource not found", code="404")
    name = str(in_path or body.get("model"))
    if name not in settings.deployments:
        message = (
            "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
        )
        message += "minutes, please wait a moment and try again."
        raise errors.ApiError(404, message, code="DeploymentNotFound")
    return {**body, "model": settings.deployments[name]}


def as_azure_says(error: errors.ApiError) -> errors.ApiError:
    """Return Azure's form of one of OpenAI's errors."""
    if error.status == 401:
        message = (
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
        )
        message += "for an active subscription and use a correct regional API endpoint for your resource."
        return _error(401, message, "401")
    if error.status == 429:
        return _error(429, str(error), "429", error.headers)
    if error.code == "moderation_blocked":
        categories = error.body["error"]["moderation_details"]["categories"]
        found = {name: {"filtered": name in categories, "severity": "safe"} for name in ("hate", "sexual", "violence")}
        inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": found}
        message = "Your task failed as a result of our safety system."
        return _error(400, message, "contentFilter", details={"inner_error": inner})
    return error


def _error(
    status: int,
    message: str,
    code: str,
    headers: Mapping[str, str] | None = None,
    details: Mapping[str, Any] | None = None,
) -> errors.ApiError:
    found = errors.ApiError(status, message, code=code, headers=headers)
    found.body = {"error": {"code": code, "message": message, **(details or {})}}
    return found
