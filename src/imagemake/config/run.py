"""How many calls, how fast, and how long to wait: what a user sets, and the arithmetic of waiting."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict


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
    images_per_min: float | None = Field(None, gt=0, description="Images asked for a minute, over all jobs together.")
    requests_per_min: float | None = Field(None, gt=0, description="Calls sent a minute, over all jobs together.")
    tokens_per_min: float | None = Field(
        None,
        gt=0,
        description="Tokens a minute that calls may take, over all jobs together; how many a call takes is learned.",
    )
    tries: int = Field(5, ge=1, description="Calls for one image in one run, the first included.")
    first_wait_s: float = Field(
        1.0, gt=0, description="Longest wait before the second try, in seconds; it doubles from try to try."
    )
    longest_wait_s: float = Field(60.0, gt=0, description="Longest wait before any try, in seconds.")
    timeout_s: float = Field(300.0, gt=0, description="Longest wait for one answer, in seconds.")
    unknown: Literal["retry", "hold"] = Field(
        "retry",
        description="A call that was sent and not answered may have been billed: 'retry' asks again, and may pay "
        "twice; 'hold' leaves the image out until you say 'retry'.",
    )
    grace_s: float = Field(
        60.0, ge=0, description="How long calls in flight may take to land after Ctrl-C or SIGTERM, in seconds."
    )


Event = Literal["finished", "stopped", "budget", "failures", "crashed"]


class Alerts(BaseModel):
    """Messages about a run. The addresses come from the environment variable IMAGEMAKE_ALERTS."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: Annotated[tuple[Event, ...], Strict(False)] = Field(
        (),
        description="What is told, once a run: finished (a stage was released), stopped (quota exhausted, key or "
        "organization refused), budget (images were left out for it), failures (failure_rate was exceeded), crashed "
        "(the run ended with an error).",
        examples=[["finished", "stopped", "budget", "failures", "crashed"]],
    )
    failure_rate: float = Field(
        0.3, ge=0, le=1, description="Share of a job's images that may fail or be rejected untold, 0 to 1."
    )
    min_images: int = Field(20, ge=1, description="Images that a job must have for its failure rate to count.")


Usd = Annotated[float, Field(gt=0)]


class Budget(BaseModel):
    """What may be spent. What does not fit is left out, and the run ends well."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Usd | None = Field(None, description="Most that one run may spend, in USD.")
    campaign: Usd | None = Field(
        None,
        description="Most that the campaign may spend in all, in USD: with all runs that the journal knows.",
    )

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return self.run is not None or self.campaign is not None
