"""How long to wait before a retry, and between two looks at a long task."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

LONGEST_ASKED_S = 3600.0  # a longer Retry-After is ignored
_MOST_DOUBLINGS = 64  # more doublings exceed any longest wait; the bound prevents an overflow


def backoff_s(
    first_s: float, longest_s: float, tries: int, asked_s: float | None = None, draw: float | None = None
) -> float:
    """Return how long to wait before the next try, in seconds; at least as long as the server asked for.

    Args:
        first_s: Longest wait before the second try, in seconds.
        longest_s: Longest wait before any try, in seconds.
        tries: Tries made so far, from 1.
        asked_s: The server's Retry-After, in seconds; None if it sent none.
        draw: A number from 0 to 1; None for a random one.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
    """
    share = random.random() if draw is None else draw  # noqa: S311  spreads load
    jittered = share * _doubled(first_s, longest_s, tries)
    believed = asked_s is not None and 0 <= asked_s <= LONGEST_ASKED_S
    return asked_s + jittered if asked_s is not None and believed else jittered


def poll_waits_s(first_s: float, longest_s: float) -> Iterator[float]:
    """Yield waits between looks at a long task, in seconds: they double, and vary by a quarter at random."""
    for looks in itertools.count(1):
        yield random.uniform(0.75, 1.25) * _doubled(first_s, longest_s, looks)  # noqa: S311  spreads load


def _doubled(first_s: float, longest_s: float, times: int) -> float:
    return float(min(longest_s, first_s * 2.0 ** min(times - 1, _MOST_DOUBLINGS)))
