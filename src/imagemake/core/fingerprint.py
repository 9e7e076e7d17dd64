"""A digest of settings: it tells whether anything changed. Keys, which must last, are `imagemake.core.recipe`'s."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson


def fingerprint(value: Any) -> str:
    """Return a SHA-256 of plain data, 64 hexadecimal digits; the order of keys does not matter."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
