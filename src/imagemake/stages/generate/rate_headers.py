"""Read rate limits and token counts from an answer. Neither is trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping

from imagemake.stages.generate.learned_limit import Reading

NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
RESET = re.compile(f"(?:{NUMBER}h)?(?:{NUMBER}m)?(?:{NUMBER}s)?(?:{NUMBER}ms)?", re.ASCII)
RESET_UNITS_S = (3600.0, 60.0, 1.0, 0.001)
LONGEST_RESET_S = 86_400.0  # no limit is counted for longer than a day
MOST_TOKENS = 10**7  # no call takes this many; a larger count is invalid
COUNT = re.compile(r"\d{1,15}", re.ASCII)


def parse_reset_s(text: str) -> float | None:
    """Parse a duration such as ``120ms``, ``58.891s``, or ``6m0s``; return seconds, or None if it is invalid."""
    parts = RESET.fullmatch(text)
    if not text or parts is None:
        return None
    return sum(float(part) * unit_s for part, unit_s in zip(parts.groups(), RESET_UNITS_S, strict=True) if part)


LIMITS = {"requests": "requests", "input-images": "images", "tokens": "tokens"}  # name in headers: in words


def reading_of(headers: Mapping[str, str], name: str) -> Reading | None:
    """Read one limit, or return None if headers do not tell all of it, or nothing of it is used.

    Args:
        headers: By lower-case name; invalid ones are ignored.
        name: Name of the limit in headers.
    """
    limit, remaining = (str(headers.get(f"x-ratelimit-{what}-{name}", "")) for what in ("limit", "remaining"))
    reset_s = parse_reset_s(str(headers.get(f"x-ratelimit-reset-{name}", "")))
    if not COUNT.fullmatch(limit) or not COUNT.fullmatch(remaining) or int(remaining) >= int(limit):
        return None
    if not reset_s or reset_s > LONGEST_RESET_S:
        return None
    return Reading(float(limit), float(remaining), reset_s)


def drained_s(headers: Mapping[str, str], longest_s: float, call_tokens: float = 1.0) -> float:
    """Return how long the next call is certain to be refused, by limits whose size is not told.

    Args:
        headers: By lower-case name; invalid ones are ignored.
        longest_s: Upper bound of the result, in seconds.
        call_tokens: Tokens that the next call is expected to take.

    Returns:
        Seconds until the last exhausted limit is reset; 0 if none is exhausted.
    """
    waits = [0.0]
    for name in LIMITS:
        remaining = str(headers.get(f"x-ratelimit-remaining-{name}", ""))
        needed = max(1.0, call_tokens) if name == "tokens" else 1.0
        if COUNT.fullmatch(remaining) and int(remaining) < needed and reading_of(headers, name) is None:
            waits.append(parse_reset_s(str(headers.get(f"x-ratelimit-reset-{name}", ""))) or 0.0)
    return min(max(waits), longest_s)


def has_room(headers: Mapping[str, str], limit: str | None, call_tokens: float = 1.0) -> bool:
    """Return whether a limit still has room for a call, by the headers of an answer that is a 429 for that limit.

    Such a refusal is a single event: it does not make the refusal of the next call more likely.

    Args:
        headers: By lower-case name; an invalid one counts as no room.
        limit: Name of the limit in headers; None if the answer names none.
        call_tokens: Tokens that a call is expected to take.
    """
    remaining = str(headers.get(f"x-ratelimit-remaining-{limit}", ""))
    needed = max(1.0, call_tokens) if limit == "tokens" else 1.0
    return bool(COUNT.fullmatch(remaining)) and int(remaining) >= needed


def total_tokens(usage: object) -> int:
    """Return the input and output tokens that an answer reports; 0 if it reports none.

    Args:
        usage: The ``usage`` of the answer; it may have any form.
    """
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return total if isinstance(total, int) and not isinstance(total, bool) and 0 < total <= MOST_TOKENS else 0
