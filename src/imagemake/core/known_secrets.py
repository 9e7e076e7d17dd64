"""The one door for texts and bytes that come from outside: it replaces every secret of this process by value.

A server can echo the request's headers, a proxy's address can hold a password, and a library can quote either. What
passes the door can be recorded, shown, and published. A secret is found as it is, in base64 wherever it stands in the
encoded text (``Bearer KEY``, ``user:KEY``), and with its characters escaped as in JSON, HTML, and URLs.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from imagemake.core.secrets import is_secret_name

REPLACEMENT = "[secret]"
MIN_CHARACTERS = 8  # a shorter one would hide ordinary words
LONG_CHARACTERS = 16
ALERTS = "IMAGEMAKE_ALERTS"
_NAMED = {"OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "IMAGEMAKE_C2PA_KEY"}
_VALUES: deque[str] = deque(maxlen=4)  # each change compiles the door anew, and tokens are replaced every hour
_ALTERNATIVES = {"+": "+-", "/": "/_"}  # base64 for URLs


class _Door(NamedTuple):
    text: re.Pattern[str]
    data: re.Pattern[bytes]


class _Made(NamedTuple):
    environment: dict[Any, Any]
    named: set[str]
    values: deque[str]
    door: _Door | None


_made: _Made | None = None


def know_variable(name: str) -> None:
    """Count the value of an environment variable as a secret, whatever its name."""
    _NAMED.add(name)


def know_value(secret: str) -> None:
    """Count a text as a secret, such as a token that this process was given."""
    if secret not in _VALUES:
        _VALUES.append(secret)


def redacted(text: str) -> str:
    """Replace every known secret in a text."""
    door = _current_door()
    return door.text.sub(REPLACEMENT, text) if door else text


def redacted_bytes(data: bytes) -> bytes:
    """Replace every known secret in bytes that hold text."""
    door = _current_door()
    return door.data.sub(REPLACEMENT.encode(), data) if door else data


def redacted_value(value: Any) -> Any:
    """Replace every known secret in the texts of plain data, in names too."""
    door = _current_door()
    return _replaced(value, door.text) if door else value


def _replaced(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(REPLACEMENT, value)
    if isinstance(value, Mapping):
        return {_replaced(name, pattern): _replaced(one, pattern) for name, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, pattern) for one in value]
    if isinstance(value, tuple):
        return tuple(_replaced(one, pattern) for one in value)
    return value


def _current_door() -> _Door | None:
    global _made  # noqa: PLW0603  one tuple, so that threads see a door with what it was made from
    # As the system spells it: decoding every variable would take longer than all else that a response needs.
    environment = getattr(os.environ, "_data", os.environ)
    if _made is None or _made.environment != environment or _made.named != _NAMED or _made.values != _VALUES:
        seen = dict(environment), set(_NAMED), deque(_VALUES)
        _made = _Made(*seen, _door(os.environ, *seen[1:]))
    return _made.door


def _door(environment: Mapping[str, str], named: Set[str], values: Iterable[str]) -> _Door | None:
    found = {one.strip() for name, value in environment.items() for one in _secrets_in(name, value, named)} | {*values}
    secrets = sorted((one for one in found if len(one) >= MIN_CHARACTERS), key=len, reverse=True)
    if not secrets:
        return None
    pattern = "|".join(form for secret in secrets for form in (_literal(secret), *_encoded(secret)))
    return _Door(re.compile(pattern), re.compile(pattern.encode("utf-8", "surrogateescape")))


def _secrets_in(name: str, value: str, named: Set[str]) -> Iterator[str]:
    """Yield what must not be shown of one environment variable."""
    if name == ALERTS:
        for address in value.split():
            yield address
            yield from _in_address(address)
            yield from _tokens(address)
    elif name in named or (is_secret_name(name) and not Path(value).is_absolute()):  # PWD and such are paths
        yield value
        if "\n" in value.strip():  # PEM
            yield from (line for line in value.split() if not line.startswith("-----"))
    elif "://" in value:
        yield from _in_address(value)


def _in_address(address: str) -> Iterator[str]:
    """Yield the credentials in an address, as they are written and decoded."""
    with suppress(ValueError):
        parts = urlsplit(address.strip())
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        yield from {password or user, unquote(password or user)}
        yield from (one for key, one in parse_qsl(parts.query) if is_secret_name(key))


def _tokens(address: str) -> Iterator[str]:
    """Yield the parts of an alert's address that look like tokens: long, or letters and digits mixed."""
    with suppress(ValueError):
        parts = urlsplit(address)
        user = parts.netloc.rpartition("@")[0].partition(":")[0]
        host = "" if "." in parts.netloc else parts.netloc.rpartition("@")[2]
        for one in (user, host, *parts.path.split("/"), *(text for _, text in parse_qsl(parts.query))):
            if len(one) >= LONG_CHARACTERS or re.search(r"\d", one):
                yield one


def _literal(secret: str) -> str:
    return "".join(_spelled(one) for one in secret)


def _encoded(secret: str) -> Iterator[str]:
    """Yield the pattern of a secret in base64, for each of the three positions at which it can begin."""
    data = secret.encode("utf-8", "surrogateescape")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        first, end = -(-8 * before // 6), 8 * (before + len(data)) // 6  # the characters that hold only the secret
        rest = "[A-Za-z0-9+/_-]?" if 8 * (before + len(data)) % 6 else ""
        whole = "".join(_spelled(one, _ALTERNATIVES.get(one, one)) for one in encoded[first:end])
        yield f"{whole}{rest}={{0,2}}"


def _spelled(character: str, same: str | None = None) -> str:
    """Return the pattern of a character in every escaping that texts have."""
    if character.isascii() and character.isalnum():
        return character
    forms: set[str] = set()
    for one in same or character:
        code = ord(one)
        in_url = quote(one, safe="", errors="surrogateescape").replace("-", "%2D").replace("_", "%5F")
        escaped = {json.dumps(one)[1:-1], f"\\u{code:04x}", in_url, f"&#{code};", f"&#x{code:x};", html.escape(one)}
        forms |= {re.escape(one), re.escape(f"\\{one}"), *(f"(?i:{re.escape(form)})" for form in escaped)}
    return f"(?:{'|'.join(sorted(forms))})"
