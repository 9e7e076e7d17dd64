"""What an error response says, whatever form it has: JSON of several kinds, HTML, or plain text."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import orjson

from imagemake.core.known_secrets import redacted, redacted_bytes
from imagemake.core.text import printable

MAX_CHARACTERS = 500
REQUEST_IDS = ("x-request-id", "x-litellm-call-id", "apim-request-id")
_TITLE = re.compile(rb"<title[^<>]{0,1000}>([^<]*)<", re.IGNORECASE)  # one pass, whatever a hostile page repeats
_TAG = re.compile(r"<[^>]{0,1000}>")


class Told(NamedTuple):
    """What an error response says.

    Attributes:
        message: In the provider's words: one line, printable, at most `MAX_CHARACTERS` characters; empty if there is
            none.
        code: The provider's error code.
        type: The provider's kind of error.
        param: Which parameter it is about, with dots between levels.
    """

    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None


def read_error(body: bytes) -> Told:
    """Read what an error response says."""
    body = redacted_bytes(body)  # before anything is cut: half a key is no known secret
    try:
        data = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return Told(_one_line(_text_of(body)))
    return told_in(data)


def retry_after_s(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Read how long the server asks to wait, in seconds.

    Args:
        headers: By lower-case name. ``retry-after-ms`` is the more exact one; ``retry-after`` is a number of seconds
            or an HTTP date (RFC 9110, section 10.2.3).
        now: Unix time; None for the present.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit_s)
        except (KeyError, ValueError):
            continue
    try:
        date = parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError, TypeError, IndexError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)  # the system's time zone cannot tell of every year
    return max(0.0, date.timestamp() - (time.time() if now is None else now))


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the server's ID of a call, as OpenAI, LiteLLM, or Azure names it.

    Args:
        headers: By lower-case name.
    """
    return next((headers[name] for name in REQUEST_IDS if headers.get(name)), None)


def told_in(data: Any) -> Told:
    """Read what a parsed error response says."""
    data = _first(data)
    error = _first(data.get("error", data) if isinstance(data, Mapping) else data)
    if not isinstance(error, Mapping):
        return Told(_one_line(_text(error if error is not None else "")))
    names = ("message", "detail", "error", "msg", "title", "errors")
    first = _first(next((found for name in names if (found := error.get(name))), None))
    param, code = error.get("param"), error.get("code")
    if isinstance(first, Mapping):  # FastAPI: [{"loc": ["body", "size"], "msg": "…"}]
        loc, code = first.get("loc"), code or first.get("code")
        param = param or ".".join(_text(part) for part in (loc if isinstance(loc, list) else ()) if part != "body")
        message = _text(first.get("msg") or first.get("message") or dict(first))
        message = f"{_text(param)}: {message}" if param else message
    else:
        message = _text(first if first is not None else code or "")
    return Told(
        _one_line(message + _filtered(error)),
        _word(code),
        _word(error.get("type") or error.get("status")),
        _word(param),
    )


def _first(data: Any) -> Any:
    return data[0] if isinstance(data, list) and data else data


def _filtered(error: Mapping[str, Any]) -> str:
    """Return what Azure's filter found, as in `` (filtered: violence)``."""
    inner = error.get("inner_error") or error.get("innererror")
    results = inner.get("content_filter_results") if isinstance(inner, Mapping) else None
    if not isinstance(results, Mapping):
        return ""
    names = [_text(name) for name, one in results.items() if isinstance(one, Mapping) and one.get("filtered") is True]
    return f" (filtered: {', '.join(sorted(names))})" if names else ""


def _text(value: Any) -> str:
    try:
        return str(value)
    except (RecursionError, ValueError):  # hundreds of levels, or thousands of digits
        return ""


def _word(value: Any) -> str | None:
    return _one_line(_text(value))[:100] if isinstance(value, str | int) and not isinstance(value, bool) else None


def _text_of(body: bytes) -> str:
    title = _TITLE.search(body[:100_000])
    text = (title[1] if title else body[: 4 * MAX_CHARACTERS]).decode("utf-8", "replace")
    return html.unescape(_TAG.sub(" ", text))


def _one_line(text: str) -> str:
    line = printable(" ".join(redacted(text).split()))
    return line if len(line) <= MAX_CHARACTERS else f"{line[: MAX_CHARACTERS - 1]}…"
