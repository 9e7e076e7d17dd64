"""How long to wait before asking again."""

from __future__ import annotations

from imagemake.config.run import Limits

LONGEST_ASKED_S = 3600.0  # a server that asks to wait for longer is not believed


def backoff_s(limits: Limits, tries: int, asked_s: float | None, draw: float) -> float:
    """Say how long to wait before the next try: exponential with full jitter, and never less than the server asked for.

    Args:
        limits: The first and the longest wait.
        tries: Tries made so far, from 1.
        asked_s: What the server asked for, in seconds.
        draw: A random number, 0 to 1.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
    """
    jittered: float = draw * min(limits.longest_wait_s, limits.first_wait_s * 2 ** (tries - 1))
    believed = asked_s is not None and 0 <= asked_s <= LONGEST_ASKED_S
    return asked_s + jittered if asked_s is not None and believed else jittered
