"""Which images of models with ``mode: auto`` go into a batch of the provider: those that can wait, if they are many.

A pilot, another stage, or selected images are waited for, so they go one by one, and so do the few that a later round
or a small change leaves. What a batch does not accept goes one by one too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from imagemake.config.models import ModelTable, load_models, problems_in_batch
from imagemake.config.several_models import settings_of
from imagemake.core.text import counted
from imagemake.plugins.providers import provider_class, takes_references
from imagemake.store.layout import ALL, IMAGE

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.state import State


def let_wait(to_buy: Sequence[State], campaign: Campaign, scope: str) -> list[str]:
    """Mark the images that go into a batch because their model has ``mode: auto``.

    Args:
        to_buy: The images that a provider will be asked for.
        campaign: The campaign.
        scope: ``all``, ``pilot``, ``small``, or ``image/`` and a file name.

    Returns:
        A line for each of these models, which says how many images go which way, and why.
    """
    labels = {state.request.model for state in to_buy}
    auto = [label for label in sorted(labels) if settings_of(label, campaign).mode == "auto"]
    if not auto:
        return []
    accepted = partial(_is_accepted, load_models(campaign.models))
    lines: list[str] = []
    for label in auto:
        states = [state for state in to_buy if state.request.model == label]
        fitting = [state for state in states if accepted(state)]
        why = _why_not(len(fitting), settings_of(label, campaign).batch_from, campaign, scope)
        waiting = [] if why else fitting
        for state in waiting:
            state.can_wait = True
        lines += _lines(label, len(waiting), len(states) - len(waiting), why or "which a batch does not accept")
    return lines


def _why_not(n_images: int, batch_from: int, campaign: Campaign, scope: str) -> str:
    """Return why images go one by one; empty if they go into a batch."""
    if scope != ALL:
        return "because you wait for single images" if scope.startswith(IMAGE) else f"because this is the {scope} stage"
    if campaign.only:
        return "because `only` selects them"
    return "" if n_images >= batch_from else f"because a batch is worth it from {batch_from:,} (batch_from)"


def _is_accepted(table: ModelTable, state: State) -> bool:
    recipe = state.recipe
    if recipe.references and not takes_references(provider_class(recipe.provider), batch=True):
        return False
    model = table.of(recipe)
    return model is None or not problems_in_batch(model, recipe)


def _lines(label: str, in_batch: int, one_by_one: int, why: str) -> Iterator[str]:
    if in_batch:
        yield f"  {label}: {counted(in_batch, 'image')} in batches, within 24 hours (mode: auto)."
    if one_by_one:
        yield f"  {label}: {counted(one_by_one, 'image')} one by one, {why} (mode: auto)."
