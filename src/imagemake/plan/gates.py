"""Gates: whether a stage was good enough for the next one to spend money, checked before images are generated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from imagemake.config.campaign import Campaign
from imagemake.config.checks import Limit
from imagemake.config.fields import CONFIG
from imagemake.core.problems import Problem, UserError
from imagemake.store.layout import ALL, PILOT, SMALL

_BEFORE = {SMALL: (PILOT,), ALL: (PILOT, SMALL)}
_NAMES = {PILOT: "pilot", SMALL: "small batch"}
AWAITING_APPROVAL = "awaiting_approval"  # beside the figures: how many images only wait for the review of others
_RATES = ("success_rate", "success_rate_low")


def check_gates(campaign: Campaign, scope: str, figures_of: Callable[[str], Mapping[str, Any]]) -> None:
    """Check the figures of the stages before a target.

    Args:
        campaign: The campaign, with its gates.
        scope: The target; only the small batch and the full run have stages before them.
        figures_of: Returns the figures of a stage, as in metrics.json; called only for stages that have a gate.

    Raises:
        UserError: If figures are outside their limits, or a stage is not finished; it lists every problem.
    """
    problems: list[Problem] = []
    for stage in _BEFORE.get(scope, ()):
        demands: Mapping[str, Limit] = getattr(campaign.gates, stage)
        if demands:
            problems += unmet(stage, demands, figures_of(stage))
    if problems:
        raise UserError(problems)


def next_stage(campaign: Campaign, scope: str) -> str:
    """Return what comes after a target: the larger sample if a gate asks for it, and else the whole campaign."""
    if scope == PILOT and campaign.gates.small:
        return "build the larger sample that gates.small asks for: snakemake small"
    return "build the whole campaign: snakemake"


def unmet(stage: str, demands: Mapping[str, Limit], figures: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem for each limit that a stage does not meet."""
    if figures["pending"] and figures["pending"] == figures.get(AWAITING_APPROVAL):
        n, stage_name = f"{figures['pending']:,} of the {figures['requests']:,}", _NAMES[stage]
        what = f"{n} images of the {stage_name} wait for the review of images that they are made from."
        remedy = f"Decide about those with `imagemake review`, and run `snakemake {stage}` again."
        yield Problem(f"{CONFIG}, gates.{stage}", what, remedy)
        return
    if figures["pending"]:
        what = f"{figures['pending']:,} of the {figures['requests']:,} images of the {_NAMES[stage]} do not exist yet."
        yield Problem(f"{CONFIG}, gates.{stage}", what, f"Run `snakemake {stage}` first. Its images are reused.")
        return
    for name, limit in demands.items():
        value = figures[name]
        if value is None or limit.broken_by(value):
            what = f"{name} of the {_NAMES[stage]} is {_shown(name, value, figures)}, but must be {_demanded(limit)}."
            remedy = f"Open results/{stage}/index.html, fix what fails, and run `snakemake {stage}` again."
            yield Problem(f"{CONFIG}, gates.{stage}.{name}", what, remedy)


def _shown(name: str, value: float | None, figures: Mapping[str, Any]) -> str:
    if value is None:
        return "unknown"
    if name in _RATES:
        decided = sum(figures[verdict] for verdict in ("accepted", "rejected", "refused", "failed"))
        return f"{value:g} ({figures['accepted']:,} of {decided:,} accepted)"
    return f"{value:g}"


def _demanded(limit: Limit) -> str:
    ends = (("at least", limit.min), ("at most", limit.max))
    return " and ".join(f"{word} {end:g}" for word, end in ends if end is not None)
