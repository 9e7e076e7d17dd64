"""Whether the models take what a plan asks of them, before anything is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from imagemake.models import Finding, Severity, load_models, problems_of
from imagemake.problems import Problem, UserError

if TYPE_CHECKING:
    from imagemake.planning.settle import State
    from imagemake.wanted.campaign import Campaign


def check_models(to_generate: Sequence[State], campaign: Campaign, today: date) -> list[str]:
    """Check every picture that is to be generated against the model table.

    Args:
        to_generate: What will be asked for; pictures that are there already may be of models that are gone.
        campaign: With its own facts about models.
        today: Decides which models are retired.

    Returns:
        Warnings, one a kind.

    Raises:
        UserError: If the provider would refuse some: one problem a kind, with the first row that has it.
    """
    table = load_models(campaign.models)
    found: dict[Finding, list[State]] = {}
    for state in to_generate:
        recipe = state.recipe
        model = table.get(recipe.provider, recipe.model)
        for finding in problems_of(model, recipe, today) if model else ():
            found.setdefault(finding, []).append(state)
    problems = [
        Problem(_place(states, campaign), finding.what, finding.remedy)
        for finding, states in found.items()
        if finding.severity is Severity.ERROR
    ]
    if problems:
        raise UserError(problems)
    return [f"{finding.what} {finding.remedy}" for finding in found]


def _place(states: Sequence[State], campaign: Campaign) -> str:
    others = f" and {len(states) - 1:,} others" if len(states) > 1 else ""
    return f"{campaign.catalog}, row {states[0].request.row} ({states[0].request.name}{others})"
