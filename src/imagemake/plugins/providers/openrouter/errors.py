"""What OpenRouter's error responses mean, where they say more than others do.

``metadata`` has the reasons of a moderation, or what the upstream provider said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from imagemake.core.text import printable
from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.http import errors
from imagemake.plugins.providers.http.answers import parsed
from imagemake.plugins.providers.http.client import HttpAnswer
from imagemake.plugins.providers.http.error_text import read_error

REMEDIES = {
    "credits": "Add credit at https://openrouter.ai/settings/credits, or raise the limit of the key, then run again; "
    "no image is lost.",
    "forbidden": "Check in OpenRouter's settings what the key and the guardrails of its workspace allow.",
    "routing": "Check model.name and model.parameters.provider in config.yaml: no endpoint serves this request. "
    "To see the endpoints of your models, run: imagemake models",
}
# Nobody took the request: no provider was available, or it was overloaded.
_NEVER_STARTED = (503, 529)
_MOST_REASONS = 10


def error_of(response: HttpAnswer) -> ProviderError:
    """Turn an error response into a `ProviderError`."""
    error = errors.error_of(response.status, response.body, response.headers)
    return with_meaning(error, parsed(response.body))


def with_meaning(error: ProviderError, answer: Any) -> ProviderError:
    """Return an error with what OpenRouter's metadata add to it.

    Args:
        error: As any server with this status would mean it.
        answer: The parsed response; None if it is not JSON.
    """
    told = answer.get("error") if isinstance(answer, Mapping) else None
    if not isinstance(told, Mapping):
        return error
    metadata = told.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    code = told.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else error.status or 0
    failure, remedy = _meaning(error, status, metadata)
    return ProviderError(
        ": ".join([str(error), *_details(metadata)]),
        failure,
        code=error.code,
        status=error.status,
        request_id=error.request_id,
        retry_after_s=error.retry_after_s,
        remedy=remedy,
        headers=error.headers,
        limit=error.limit,
    )


def _meaning(error: ProviderError, status: int, metadata: Mapping[str, Any]) -> tuple[FailureKind, str | None]:
    if status == 402:
        return FailureKind.QUOTA, REMEDIES["credits"]
    if status in (400, 403, 422) and _is_about_content(metadata):
        return FailureKind.REFUSED, None
    if status == 403 and error.failure is FailureKind.STOP:
        return FailureKind.STOP, REMEDIES["forbidden"]
    if status == 404:
        return FailureKind.CONFIGURATION, REMEDIES["routing"]
    if status in _NEVER_STARTED:
        return FailureKind.UNAVAILABLE, None
    return error.failure, error.remedy or None


def _is_about_content(metadata: Mapping[str, Any]) -> bool:
    is_flagged = bool(metadata.get("reasons") or metadata.get("flagged_input"))
    return is_flagged or errors.is_about_content(" ".join(_details(metadata)))


def _details(metadata: Mapping[str, Any]) -> Iterator[str]:
    reasons = metadata.get("reasons")
    if isinstance(reasons, list) and reasons:
        yield ", ".join(printable(str(one))[:100] for one in reasons[:_MOST_REASONS])
    raw = metadata.get("raw")
    if isinstance(raw, str) and raw.strip():
        said = read_error(raw.encode("utf-8", "replace"))
        name = metadata.get("provider_name")
        by = f"{printable(name)[:100]} says: " if isinstance(name, str) else ""
        # A code such as content_policy_violation tells more than the message.
        words = [word for word in (said.code, said.message) if word and not re.fullmatch(r"\d+", word)]
        yield by + ", ".join(words)
