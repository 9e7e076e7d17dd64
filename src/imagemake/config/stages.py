"""The sections `pilot`, `small`, and `gates`: the stages before the full run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from imagemake.config.checks import Limit
from imagemake.config.fields import Section
from imagemake.core.mistakes import mistake
from imagemake.core.text import did_you_mean

FIGURES = (
    "released_share",
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
        raise mistake(
            f"{name!r} is not a figure that a gate can check.", did_you_mean(name, FIGURES) or f"Known: {_KNOWN}."
        )
    return name


def _some_demand(limit: Limit) -> Limit:
    if limit.min is None and limit.max is None:
        raise mistake("the gate has no limit.", "Give a min, a max, or both.")
    return limit


Demands = Mapping[Annotated[str, AfterValidator(_known_figure)], Annotated[Limit, AfterValidator(_some_demand)]]


class Pilot(Section):
    """The small run before the full one."""

    size: int = Field(
        50,
        ge=1,
        description="Images in the pilot. It covers every value of every variable, if they fit. Images that these are "
        "made from come with them, and are not counted.",
    )


class Small(Section):
    """The run between the pilot and the full one."""

    size: int = Field(500, ge=1, description="Images in the small run, including those of the pilot.")


class Gates(Section):
    """What a stage must reach before a later one may generate images."""

    pilot: Demands = Field(
        default_factory=dict,
        description="Required of the pilot before the small or full run: ranges of figures in its metrics.json "
        f"({_KNOWN}). released_share is of all images; success_rate is of those that do not await review and are not "
        "missing, and success_rate_low is the lower end of its 95 % interval. review counts images awaiting review.",
        examples=[{"success_rate": {"min": 0.9}, "mean_cost_usd_per_image": {"max": 0.05}, "review": {"max": 0}}],
    )
    small: Demands = Field(default_factory=dict, description="The same, required of the small run before the full run.")
