"""Checks before a run that images which differ by their seeds only would not be the same bytes, paid for twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imagemake.config.models import ModelFinding, ModelTable, Severity
from imagemake.config.presets import PROVIDER

if TYPE_CHECKING:
    from imagemake.core.recipe import Recipe
    from imagemake.plan.state import State


def seed_findings(to_generate: Sequence[State], table: ModelTable) -> list[tuple[ModelFinding, list[State]]]:
    """Find requests that differ from others by their seed only, at servers where the seed has no effect.

    Args:
        to_generate: Requests to send.
        table: What is known about models.

    Returns:
        Each finding with its requests: an error where the images would be equal, and a warning where they may be.
    """
    alike: dict[str, list[State]] = {}
    for state in to_generate:
        if not _sends_seeds(state.recipe, table):
            alike.setdefault(replace(state.recipe, seed=0).key(), []).append(state)
    found: dict[ModelFinding, list[State]] = {}
    for states in alike.values():
        if len(states) > 1:
            found.setdefault(_finding(states[0].recipe, table), []).extend(states[1:])
    return list(found.items())


def _finding(recipe: Recipe, table: ModelTable) -> ModelFinding:
    model = table.of(recipe)
    if model is not None and model.facts.determinism == "fixed":
        what = f"{recipe.model} makes the same image whatever the seed, so this one would be paid for in vain."
        return ModelFinding(Severity.ERROR, what, "Set takes and candidates.n to 1, or choose another model.")
    name = f"models.{recipe.endpoint}.{recipe.model}"
    return ModelFinding(
        Severity.WARNING,
        f"no seed is sent to {recipe.endpoint}; if it has a seed of its own, takes and candidates are equal images.",
        f"If it takes seeds, name the field in {name}.seed_field; if each image is another, set {name}.determinism: "
        "unseeded.",
    )


def _sends_seeds(recipe: Recipe, table: ModelTable) -> bool:
    """Return whether another seed gives another image, or is another draw; False if that is not known."""
    model = table.of(recipe)
    if model is not None and model.facts.determinism == "fixed":
        return False
    if model is not None and (model.facts.determinism is not None or model.facts.seed_field is not None):
        return True
    return recipe.provider != PROVIDER or recipe.endpoint is None
