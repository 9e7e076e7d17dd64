"""Whether a stage was good enough for a later one to spend money: asked only when there is something to generate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from imagemake.config.campaign import CONFIG, Campaign
from imagemake.config.checks import Limit
from imagemake.core.problems import Problem, UserError
from imagemake.store.layout import ALL, PILOT, SMALL

_BEFORE = {SMALL: (PILOT,), ALL: (PILOT, SMALL)}
_NAMES = {PILOT: "pilot", SMALL: "small batch"}
_RATES = ("success_rate", "success_rate_low")


def check_gates(campaign: Campaign, scope: str, figures_of: Callable[[str], Mapping[str, Any]]) -> None:
    """Check what the stages before a target came to.

    Args:
        campaign: With its gates.
        scope: The target; only the small batch and the full run have stages before them.
        figures_of: What a stage came to, as in metrics.json; asked only for stages of which something is demanded.

    Raises:
        UserError: If a figure is out of its range, or the stage is not made: every one at once.
    """
    problems: list[Problem] = []
    for stage in _BEFORE.get(scope, ()):
        demands: Mapping[str, Limit] = getattr(campaign.gates, stage)
        if demands:
            problems += unmet(stage, demands, figures_of(stage))
    if problems:
        raise UserError(problems)


def unmet(stage: str, demands: Mapping[str, Limit], figures: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem for each demand that a stage does not meet."""
    if figures["pending"]:
        what = f"{figures['pending']:,} of the {figures['requests']:,} images of the {_NAMES[stage]} are not made yet."
        yield Problem(f"{CONFIG}, gates.{stage}", what, f"Run `snakemake {stage}` first; what it makes is reused.")
        return
    for name, limit in demands.items():
        value = figures[name]
        if value is None or limit.broken_by(value):
            what = (
                f"{name} of the {_NAMES[stage]} is {_shown(name, value, figures)}, and {_demanded(limit)} is demanded."
            )
            remedy = f"Look at results/{stage}/index.html, correct what fails, and run `snakemake {stage}` again."
            yield Problem(f"{CONFIG}, gates.{stage}.{name}", what, remedy)


def _shown(name: str, value: float | None, figures: Mapping[str, Any]) -> str:
    if value is None:
        return "not known"
    if name in _RATES:
        decided = sum(figures[verdict] for verdict in ("accepted", "rejected", "refused", "failed"))
        return f"{value:g} ({figures['accepted']:,} of {decided:,} accepted)"
    return f"{value:g}"


def _demanded(limit: Limit) -> str:
    ends = (("at least", limit.min), ("at most", limit.max))
    return " and ".join(f"{word} {end:g}" for word, end in ends if end is not None)
