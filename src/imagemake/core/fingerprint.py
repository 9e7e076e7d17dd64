"""A digest of settings, to detect changes. For keys, which must never change, see `imagemake.core.recipe`."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of plain data as 64 hexadecimal digits; the order of keys does not matter."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
