"""Checks before a run that the models accept what the plan requests."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date
from hashlib import sha256
from itertools import repeat
from typing import TYPE_CHECKING

from imagemake.config.fields import CONFIG
from imagemake.config.models import (
    ModelFinding,
    ModelTable,
    Severity,
    load_models,
    problems_in_batch,
    problems_of,
)
from imagemake.config.several_models import settings_of, workflows_of
from imagemake.config.workflow import template
from imagemake.core.problems import Problem, UserError
from imagemake.core.text import counted
from imagemake.plan.parents import images_of_parents
from imagemake.plan.requests.abilities import Abilities
from imagemake.plugins.providers.comfyui.template import Template
from imagemake.workflow.preflight.lists import check_lists
from imagemake.workflow.preflight.seeds import seed_findings

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.core.recipe import Recipe
    from imagemake.images.source_files import SourceImage
    from imagemake.plan.requests.request import Request
    from imagemake.plan.state import State


def check_models(
    to_generate: Sequence[State], campaign: Campaign, files: Mapping[str, SourceImage], today: date
) -> list[str]:
    """Check every image to generate against the model table.

    Args:
        to_generate: Requests to send. Images that exist are not checked: their models may be retired.
        campaign: The campaign, which may add facts about models.
        files: Reference images and masks by path.
        today: Date for retirement checks.

    Returns:
        Warnings, one per kind.

    Raises:
        UserError: If the provider would refuse some requests: one problem per kind, in the configuration if it is in
            all requests and no row says otherwise, and else at its first row.
    """
    table = load_models(campaign.models)
    warnings = _missing_keys(to_generate, campaign)
    unknown = _UnknownModels(table)
    abilities = Abilities(table, files.__getitem__, today, images_of_parents(to_generate))
    workflows = {sha256(data).hexdigest(): Template(data) for data in map(template, workflows_of(campaign))}
    found: dict[ModelFinding, list[State]] = {}
    for state in to_generate:
        recipe = state.recipe
        if (hopeless := _by_none(state.request)) is not None:
            found.setdefault(hopeless, []).append(state)
            continue
        model = table.of(recipe)
        for finding in problems_of(model, recipe, today) if model else unknown.findings(recipe):
            found.setdefault(finding, []).append(state)
        if recipe.workflow and (fault := workflows[recipe.workflow].fault(recipe)):
            found.setdefault(ModelFinding(Severity.ERROR, *fault), []).append(state)
        settings = settings_of(state.request.model, campaign)
        for finding in problems_in_batch(model, recipe) if model and settings.mode == "batch" else []:
            found.setdefault(finding, []).append(state)
        for finding in abilities.of_files(settings, recipe, state.request.attached):
            found.setdefault(finding, []).append(state)
    for finding, states in seed_findings(to_generate, table):
        found.setdefault(finding, []).extend(states)
    problems = [
        Problem(_place(states, to_generate, campaign), finding.what, finding.remedy)
        for finding, states in found.items()
        if finding.severity is Severity.ERROR
    ]
    if problems:
        raise UserError(problems)
    warnings += check_lists(to_generate, campaign, table, today)
    return [*warnings, *(f"{finding.what} {finding.remedy}" for finding in found)]


def faults_of_parents(
    states: Sequence[State], campaign: Campaign, files: Mapping[str, SourceImage]
) -> dict[str, ModelFinding]:
    """Return why models do not accept the images that others are made from, by the key of the latter.

    Args:
        states: Images to generate whose parents were accepted in this run, so that no plan has looked at these.
        campaign: The campaign.
        files: Reference images and masks by path.
    """
    abilities = Abilities(load_models(campaign.models), files.__getitem__, date.min, images_of_parents(states))
    found: dict[str, ModelFinding] = {}
    for state in states:
        settings = settings_of(state.request.model, campaign)
        findings = abilities.of_files(settings, state.recipe, state.request.attached) if state.parents else []
        error = next((one for one in findings if one.severity is Severity.ERROR), None)
        if error is not None:
            found[state.key] = error
    return found


def _by_none(request: Request) -> ModelFinding | None:
    """Return why none of several models can make an image; None if one can, or if there is only one."""
    if not request.routes or not all(route.why_not for route in request.routes):
        return None
    reasons = "\n".join(f"  {route.label}: {route.why_not}" for route in request.routes)
    remedy = "Change what one of them does not accept, or add a model to the list in model_rules."
    return ModelFinding(Severity.ERROR, f"no model of its list can make this image:\n{reasons}", remedy)


def _missing_keys(to_generate: Sequence[State], campaign: Campaign) -> list[str]:
    """Warn of keys that are not in the environment, with the models whose calls would be refused."""
    labels: dict[str, set[str]] = {}
    for label in {label for state in to_generate for label in state.request.labels}:
        for name in settings_of(label, campaign).connects_to.variables():
            if not os.environ.get(name):
                labels.setdefault(name, set()).add(label)
    return [
        f"{name} is not set in the environment: every call to {', '.join(sorted(labels[name]))} would be refused."
        for name in sorted(labels)
    ]


class _UnknownModels:
    """Warns of models of the provider's own server that are unknown and nearly a known one, each looked up once."""

    def __init__(self, table: ModelTable) -> None:
        self._table = table
        self._known: dict[tuple[str, str], list[ModelFinding]] = {}

    def findings(self, recipe: Recipe) -> list[ModelFinding]:
        """Return the warning about a recipe's model, if there is one."""
        if recipe.endpoint is not None:
            return []
        model = recipe.provider, recipe.model
        if model not in self._known:
            near = self._table.near(*model)
            what = f"model {recipe.model!r} of {recipe.provider} is not in the model table."
            remedy = f"{near} If the name is right, add it under models in config.yaml."
            self._known[model] = [ModelFinding(Severity.WARNING, what, remedy)] if near else []
        return self._known[model]


def _place(states: Sequence[State], to_generate: Sequence[State], campaign: Campaign) -> str:
    others = f" and {counted(len(states) - 1, 'other')}" if len(states) > 1 else ""
    images = f"({states[0].request.name}{others})"
    if len(states) == len(to_generate) and not any(map(_is_of_its_row, states, repeat(campaign))):
        return f"{CONFIG} {images}"
    return f"{campaign.catalog}, row {states[0].request.row} {images}"


def _is_of_its_row(state: State, campaign: Campaign) -> bool:
    """Return whether a row or a variable may be what a model does not accept: by a parameter, or by a file."""
    own = settings_of(state.request.model, campaign).parameters
    return bool(state.request.attached.references) or {**state.recipe.parameters} != {**own}
