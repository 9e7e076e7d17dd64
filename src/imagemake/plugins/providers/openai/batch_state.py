"""What the Batch API says about a batch. Servers with the same API may answer anything, so nothing is trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from imagemake.core.known_secrets import redacted
from imagemake.core.text import printable
from imagemake.plugins.providers import BatchState, FailureKind, ProviderError
from imagemake.plugins.providers.failures import STOPS

# ASSUME: of these codes, only token_limit_exceeded was ever reported (3P).
FULL = ("token_limit_exceeded", "rate_limit_exceeded", "request_limit_exceeded")
PASSING = ("server_error", "internal_error")
OVER = ("completed", "failed", "expired", "cancelled")
_ID = re.compile(r"(?!\.+$)[A-Za-z0-9_.:=-]{1,1000}")  # it goes into addresses


def is_id(name: object) -> bool:
    """Return whether something is the ID of a file or of a batch."""
    return isinstance(name, str) and _ID.fullmatch(name) is not None


def checked_id(name: object) -> str:
    """Return an ID, if it is one.

    Raises:
        ProviderError: If the server invented it.
    """
    if not isinstance(name, str) or not is_id(name):
        what = f"{printable(str(name))[:80]!r} is no ID of a file or a batch"
        raise ProviderError(what, FailureKind.CONFIGURATION, status=404)
    return name


def state_in(batch: Mapping[str, Any], *, failure: FailureKind = FailureKind.UNAVAILABLE) -> BatchState:
    """Return the state of a batch.

    Args:
        batch: A batch as the server describes it.
        failure: Kind of the error if it is none.

    Raises:
        ProviderError: If it has no ID.
    """
    if not is_id(batch.get("id")):
        raise ProviderError("the response does not name the batch", failure, status=200, code="no_answer")
    counts, status = _mapping(batch.get("request_counts")), printable(str(batch.get("status")))[:100]
    error, bad_lines = refusal_in(batch) if status == "failed" else (None, {})
    files = (batch.get("output_file_id"), batch.get("error_file_id"))
    input_file = batch.get("input_file_id")
    return BatchState(
        id=str(batch["id"]),
        status=status,
        is_over=status in OVER,
        n_done=_count(counts, "completed") + _count(counts, "failed"),
        n_all=_count(counts, "total"),
        files=tuple(str(name) for name in files if is_id(name)),
        input_file=str(input_file) if is_id(input_file) else "",
        was_cancelled=status == "cancelled",
        expires_at=_number(batch.get("expires_at")),
        error=error,
        bad_lines=bad_lines,
    )


def refusal_in(batch: Mapping[str, Any]) -> tuple[ProviderError, dict[int, str]]:
    """Return why a file was rejected, as a whole and by line. None of it was generated."""
    given = _mapping(batch.get("errors")).get("data")
    details = [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
    told = [printable(str(one.get("message") or "no message")) for one in details]
    message = "; ".join(told) or "the batch failed without a reason"
    code = details[0].get("code") if details else None
    code = code if isinstance(code, str) else None
    failure, remedy = _meaning_of(code, message)
    lines = {
        one["line"]: words for one, words in zip(details, told, strict=True) if type(one.get("line")) is int
    }  # `True` is no line
    return ProviderError(redacted(message)[:2000], failure, code=code, remedy=remedy), lines


def _meaning_of(code: str | None, message: str) -> tuple[FailureKind, str | None]:
    """Return what a failed batch's error means, and what the user can do if only they can fix it."""
    from imagemake.plugins.providers.http.error_text import Told
    from imagemake.plugins.providers.http.errors import REMEDIES, meaning_of

    if code in FULL:
        return FailureKind.RATE_LIMITED, None
    meaning = meaning_of(400, Told(message, code))
    if meaning.failure in STOPS or meaning.remedy == REMEDIES["model"]:
        return meaning.failure, meaning.remedy
    return (FailureKind.UNAVAILABLE if code is None or code in PASSING else FailureKind.NOT_RETRYABLE), None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = _number(counts.get(name))
    return int(value) if value is not None and 0 <= value < 10**9 else 0


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**12  # no nan
    return float(value) if is_number else None  # type: ignore[arg-type]
