"""The way to the full run: a pilot, a small batch, and what they must have come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from imagemake.config.checks import Limit
from imagemake.config.fields import Section
from imagemake.core.mistakes import mistake
from imagemake.core.text import did_you_mean

FIGURES = (
    "success_rate",
    "success_rate_low",
    "first_attempt_success_rate",
    "accepted",
    "rejected",
    "review",
    "refused",
    "failed",
    "attempts_mean",
    "mean_cost_usd_per_image",
    "cost_usd_total",
    "cost_unknown",
    "mean_seconds_per_image",
    "unknown_calls",
)


_KNOWN = ", ".join(FIGURES)


def _known_figure(name: str) -> str:
    if name not in FIGURES:
        raise mistake(f"{name!r} is no figure that a gate knows.", did_you_mean(name, FIGURES) or f"Known: {_KNOWN}.")
    return name


def _some_demand(limit: Limit) -> Limit:
    if limit.min is None and limit.max is None:
        raise mistake("nothing is demanded.", "Give a min, a max, or both.")
    return limit


Demands = Mapping[Annotated[str, AfterValidator(_known_figure)], Annotated[Limit, AfterValidator(_some_demand)]]


class Pilot(Section):
    """The small run before the large one."""

    size: int = Field(50, ge=1, description="Images of a pilot: it shows every value of every variable, if it can.")


class Small(Section):
    """The run between the pilot and the full one."""

    size: int = Field(500, ge=1, description="Images of the small batch, those of the pilot among them.")


class Gates(Section):
    """What a stage must have come to before a later one may make images."""

    pilot: Demands = Field(
        default_factory=dict,
        description="Demanded of the pilot before the small batch or the full run: ranges of figures of its "
        f"metrics.json ({_KNOWN}). success_rate_low is the low end of the rate's 95 % interval; review counts the "
        "images that wait for a person.",
        examples=[{"success_rate": {"min": 0.9}, "mean_cost_usd_per_image": {"max": 0.05}, "review": {"max": 0}}],
    )
    small: Demands = Field(
        default_factory=dict, description="The same, demanded of the small batch before the full run."
    )
