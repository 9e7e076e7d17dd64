"""Checks before a run that models on this machine have what they need: packages, and the user's files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imagemake.config.several_models import settings_of
from imagemake.core.fingerprint import fingerprint
from imagemake.core.problems import NotReadyError
from imagemake.plugins.providers import provider_class
from imagemake.plugins.registry import install_command, packages_missing

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.state import State


def check_model_files(to_generate: Sequence[State], campaign: Campaign) -> None:
    """Check that packages and files are there; the plan itself contents itself with the last known digests.

    Args:
        to_generate: Requests to make.
        campaign: The campaign.

    Raises:
        NotReadyError: If something is missing.
    """
    seen: set[tuple[str, str]] = set()
    for state in to_generate:
        recipe = state.recipe
        provider = provider_class(recipe.provider)
        label = state.request.model or recipe.model
        question = label, fingerprint(recipe.parameters) if provider.uses_files else ""
        if question in seen:
            continue
        seen.add(question)
        if missing := packages_missing(provider):
            what = f"provider {recipe.provider} needs packages that are not installed: {', '.join(missing)}."
            raise NotReadyError(what, f"Install them: {install_command(recipe.provider, provider)}")
        if provider.uses_files:
            files = settings_of(label, campaign).files
            provider.model_files(recipe.model, files, recipe.parameters, present=True)
