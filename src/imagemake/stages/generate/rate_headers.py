"""What an answer says about rates: its headers, and its count of tokens. Nobody vouches for either."""

from __future__ import annotations

import re
from collections.abc import Mapping

NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
RESET = re.compile(f"(?:{NUMBER}h)?(?:{NUMBER}m)?(?:{NUMBER}s)?(?:{NUMBER}ms)?", re.ASCII)
RESET_UNITS_S = (3600.0, 60.0, 1.0, 0.001)
MOST_TOKENS = 10**7  # no call takes as many; a larger count is a broken answer
COUNT = re.compile(r"\d{1,15}", re.ASCII)


def parse_reset_s(text: str) -> float | None:
    """Read a time as the API writes it, such as ``120ms``, ``58.891s`` or ``6m0s``, in seconds; None if it is none."""
    parts = RESET.fullmatch(text)
    if not text or parts is None:
        return None
    return sum(float(part) * unit_s for part, unit_s in zip(parts.groups(), RESET_UNITS_S, strict=True) if part)


def drained_s(headers: Mapping[str, str], longest_s: float, call_tokens: float = 1.0) -> float:
    """Say for how long the next call is certain to be refused, by an answer's rate limit headers.

    Args:
        headers: Lower-case names; not trusted: what cannot be read counts as not there.
        longest_s: Bound of the result, in seconds.
        call_tokens: Tokens that the next call is expected to take.

    Returns:
        Seconds until the last drained limit is reset; 0 where none is drained.
    """
    waits = [0.0]
    for name, needed in (("requests", 1.0), ("input-images", 1.0), ("tokens", max(1.0, call_tokens))):
        remaining = str(headers.get(f"x-ratelimit-remaining-{name}", ""))
        if COUNT.fullmatch(remaining) and int(remaining) < needed:
            waits.append(parse_reset_s(str(headers.get(f"x-ratelimit-reset-{name}", ""))) or 0.0)
    return min(max(waits), longest_s)


def has_room(headers: Mapping[str, str], limit: str | None, call_tokens: float = 1.0) -> bool:
    """Say whether an answer's headers tell that a limit has room for a call, though the answer is a 429 by that limit.

    Such a refusal is a single one: the next call is no likelier to be refused than any other.

    Args:
        headers: Lower-case names; not trusted: what cannot be read counts as no room.
        limit: The limit's name in headers; None where the answer names none.
        call_tokens: Tokens that a call is expected to take.
    """
    remaining = str(headers.get(f"x-ratelimit-remaining-{limit}", ""))
    needed = max(1.0, call_tokens) if limit == "tokens" else 1.0
    return bool(COUNT.fullmatch(remaining)) and int(remaining) >= needed


def total_tokens(usage: object) -> int:
    """Return the tokens that an answer reports, input and output; 0 where it does not say.

    Args:
        usage: The answer's ``usage`` as it came; not trusted to have any form.
    """
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return total if isinstance(total, int) and not isinstance(total, bool) and 0 < total <= MOST_TOKENS else 0
