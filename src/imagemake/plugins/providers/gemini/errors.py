"""What an error of the Gemini API means: about the prompt, the account or configuration, or the moment.

Its errors are those of Google's APIs: ``{"error": {"code", "status", "message", "details"}}``, where details name the
reason, the quota, the field, and how long to wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imagemake.core.known_secrets import redacted, redacted_value
from imagemake.core.text import printable
from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.http.answers import parsed
from imagemake.plugins.providers.http.error_text import read_error, retry_after_s
from imagemake.plugins.providers.http.errors import REMEDIES, Meaning

MOST_CHARACTERS = 500
# gRPC status codes, as the lines of a batch have them, by the HTTP status that stands for them.
_HTTP_OF_GRPC = {1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 13: 500, 14: 503, 16: 401}
_ENABLE = (
    "Check in Google AI Studio that the key is valid, and that its project has billing and the Gemini API enabled."
)
_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)s")
_DAILY = re.compile(r"PerDay", re.IGNORECASE)
_MONEY = re.compile(
    r"spend(?:ing)?[ -](?:cap|limit)|prepay|credits? (?:are |is )?(?:depleted|exhausted)|billing", re.IGNORECASE
)
_KEY = re.compile(r"api key (?:not valid|not found|expired)|API_KEY_INVALID", re.IGNORECASE)
_FILE = re.compile(r"permission to access the file", re.IGNORECASE)
# What belongs to one request alone: another request may be fine.
_OWN_VALUES = re.compile(
    r"^(?:contents|generation_?config\.seed)\b|process input image|image is not valid|input token count|payload size",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Told:
    """What an error says.

    Attributes:
        message: In the server's words: one line, printable.
        status: The name of its status, such as ``RESOURCE_EXHAUSTED``.
        reason: Why, in one word, such as ``API_KEY_INVALID``.
        wait_s: How long to wait, in seconds.
        quotas: The quotas that are exhausted, each with its limit.
        fields: The fields of the request that it is about.
    """

    message: str = ""
    status: str | None = None
    reason: str | None = None
    wait_s: float | None = None
    quotas: tuple[tuple[str, str], ...] = ()
    fields: tuple[str, ...] = field(default=())


def told_in(error: Any) -> Told:
    """Read a parsed error: what stands under ``error`` in a response or in a line of a batch."""
    error = redacted_value(error)
    if not isinstance(error, Mapping):
        return Told(_line(error) if error is not None else "")
    given = error.get("details")
    details = [one for one in (given if isinstance(given, list) else ()) if isinstance(one, Mapping)]
    delays = [found[1] for one in details if (found := _DURATION.fullmatch(str(one.get("retryDelay", ""))))]
    return Told(
        _line(error.get("message") or ""),
        _word(error.get("status")),
        next((_word(one.get("reason")) for one in details if one.get("reason")), None),
        float(delays[0]) if delays else None,
        tuple((str(one.get("quotaId", "")), str(one.get("quotaValue", ""))) for one in _all(details, "violations")),
        tuple(str(one.get("field", "")) for one in _all(details, "fieldViolations")),
    )


def error_of(status: int, body: bytes, headers: Mapping[str, str]) -> ProviderError:
    """Turn an error response into a `ProviderError`.

    Args:
        status: HTTP status.
        body: All of it.
        headers: By lower-case name.
    """
    answer = parsed(body)
    first = answer[0] if isinstance(answer, list) and answer else answer
    has_error = isinstance(first, Mapping) and first.get("error")
    told = told_in(first["error"]) if has_error else Told(read_error(body).message)
    wait_s = told.wait_s if told.wait_s is not None else retry_after_s(headers)
    return _error(status, told, f" (HTTP {status})", headers=headers, retry_after_s=wait_s)


def error_in_batch(error: Any) -> ProviderError:
    """Turn the error of a batch, or of one of its lines, into a `ProviderError`: nothing was made or billed."""
    told = told_in(error)
    code = error.get("code") if isinstance(error, Mapping) else None
    status = _HTTP_OF_GRPC.get(code, code) if isinstance(code, int) else None
    known = status if status is not None and 400 <= status < 600 else 500
    found = _error(known, told, "")
    if found.failure is FailureKind.UNKNOWN:
        found.failure = FailureKind.NOT_RETRYABLE if known == 499 else FailureKind.UNAVAILABLE
    return found


def meaning_of(status: int, told: Told) -> Meaning:  # noqa: PLR0911  one line per kind, in the order in which they decide
    """Decide what an error means.

    Args:
        status: HTTP status.
        told: What the error says.
    """
    if status == 429:
        return _meaning_of_quota(told)
    if status in (500, 503):  # Google: "If your request fails with a 400 or 500 error, you won't be charged"
        return Meaning(FailureKind.UNAVAILABLE)
    if status in (408, 409, 499) or status > 500:
        return Meaning(FailureKind.UNKNOWN)
    if status == 403 and _FILE.search(told.message):  # an uploaded image has expired: another batch uploads it again
        return Meaning(FailureKind.UNAVAILABLE)
    if status in (401, 403) or _KEY.search(f"{told.reason} {told.message}"):
        return Meaning(FailureKind.STOP, _ENABLE)
    if told.status == "FAILED_PRECONDITION":  # no billing, or no free use in this country
        return Meaning(FailureKind.STOP, _ENABLE)
    if status == 404:
        return Meaning(FailureKind.CONFIGURATION, REMEDIES["model"])
    if status == 413 or any(_OWN_VALUES.search(one) for one in (*told.fields, told.message)):
        return Meaning(FailureKind.REFUSED)
    return Meaning(FailureKind.CONFIGURATION, REMEDIES["configuration"])


def _meaning_of_quota(told: Told) -> Meaning:
    """Tell a limit that returns within minutes from one that needs the user: for a day, of money, or of zero."""
    exhausted = any(_DAILY.search(name) or limit == "0" for name, limit in told.quotas)
    if exhausted or _MONEY.search(told.message):
        return Meaning(FailureKind.QUOTA, REMEDIES["quota"])
    return Meaning(FailureKind.RATE_LIMITED)


def _error(status: int, told: Told, where: str, **facts: Any) -> ProviderError:
    meaning = meaning_of(status, told)
    code = told.reason or told.status
    message = f"{told.message or 'no message'}{where}"
    return ProviderError(message, meaning.failure, code=code, status=status, remedy=meaning.remedy, **facts)


def _all(details: list[Mapping[str, Any]], name: str) -> Iterator[Mapping[str, Any]]:
    for one in details:
        found = one.get(name)
        yield from (inner for inner in (found if isinstance(found, list) else ()) if isinstance(inner, Mapping))


def _line(value: Any) -> str:
    text = printable(" ".join(redacted(str(value)).split()))
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def _word(value: Any) -> str | None:
    return printable(value)[:100] if isinstance(value, str) and value else None
