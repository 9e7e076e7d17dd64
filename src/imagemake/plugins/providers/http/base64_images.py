"""Images in base64: decoded in every form in which servers send them, and encoded."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import pybase64

DATA_URL = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")


def decoded(text: str) -> bytes:
    """Decode base64 in any of its forms: with a data URL before it, in lines, without padding, or URL-safe.

    Raises:
        ValueError: If it is not base64.
    """
    prefix = DATA_URL.match(text)
    if prefix and not prefix[0].lower().endswith(";base64,"):
        return unquote_to_bytes(text[prefix.end() :])
    given = text[prefix.end() if prefix else 0 :]
    try:
        image = _plain(given)
    except ValueError:  # only now: this takes as long as decoding itself
        bare = "".join(given.split()).translate(_URL_SAFE).rstrip("=")
        image = _plain(bare + "=" * (-len(bare) % 4))
    if not image:
        raise ValueError("it is empty")
    return image


def _plain(text: str) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error is one
        raise ValueError("it is not base64") from error


def encoded(image: bytes) -> str:
    """Encode an image in base64."""
    return pybase64.b64encode(image).decode("ascii")
