"""How many calls, how fast, and how long to wait: what a user sets, and the arithmetic of waiting."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_ASKED_S = 3600.0  # a server that asks to wait for longer is not believed


class Limits(BaseModel):
    """How many calls, how fast, and how often a failed one is tried again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    in_flight: int = Field(8, ge=1, description="Calls to the provider at once, over all jobs of a run together.")
    batches_in_flight: int = Field(
        8,
        ge=1,
        description="Batches of calls at the provider at once, over all jobs of a run together (mode: batch). What the "
        "provider's queue has no room for waits until another one is over.",
    )
    images_per_min: float | None = Field(None, gt=0, description="Pictures asked for a minute, over all jobs together.")
    requests_per_min: float | None = Field(None, gt=0, description="Calls sent a minute, over all jobs together.")
    tokens_per_min: float | None = Field(
        None,
        gt=0,
        description="Tokens a minute that calls may take, over all jobs together; how many a call takes is learned.",
    )
    tries: int = Field(5, ge=1, description="Calls for one picture in one run, the first included.")
    first_wait_s: float = Field(
        1.0, gt=0, description="Longest wait before the second try, in seconds; it doubles from try to try."
    )
    longest_wait_s: float = Field(60.0, gt=0, description="Longest wait before any try, in seconds.")
    timeout_s: float = Field(300.0, gt=0, description="Longest wait for one answer, in seconds.")
    unknown: Literal["retry", "hold"] = Field(
        "retry",
        description="A call that was sent and not answered may have been billed: 'retry' asks again, and may pay "
        "twice; 'hold' leaves the picture out until you say 'retry'.",
    )
    grace_s: float = Field(
        60.0, ge=0, description="How long calls in flight may take to land after Ctrl-C or SIGTERM, in seconds."
    )


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
