"""What in a campaign decides where its requests stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from imagemake.config.models import Severity, load_models, problems_in_batch, problems_of, problems_of_files
from imagemake.config.several_models import settings_of
from imagemake.plan.candidates import CandidatePolicy
from imagemake.plan.edited_questions import read_edited
from imagemake.plan.parents import measured_file
from imagemake.plan.requests.model_choice import MODEL
from imagemake.plan.state import Policy
from imagemake.plugins.providers import provider_class, takes_references
from imagemake.stages.postprocess.job import output_keys, postprocess_digests
from imagemake.stages.validate.earlier_releases import earlier_images

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.models import ModelTable
    from imagemake.core.recipe import Recipe
    from imagemake.plan.state import State


def policy_of(campaign: Campaign) -> Policy:
    """Return what in a campaign decides where a request stands.

    Raises:
        UserError: If the manifest of an earlier release is missing or cannot be read.
    """
    step_digests = postprocess_digests(campaign.postprocess)
    duplicates = campaign.validation.near_duplicates or None
    return Policy(
        checks=campaign.validation.all_checks(),
        formats=campaign.validation.formats,
        size_as_requested=campaign.validation.size == "requested",
        measures=[measure.identity for measure in campaign.validation.measures_needed()],
        duplicates=duplicates,
        earlier=earlier_images(duplicates.earlier) if duplicates and duplicates.earlier else None,
        consistency=campaign.validation.consistency,
        asked=campaign.validation.asked,
        moderates=asker.identity if (asker := campaign.prompts.asker) else "",
        edited=read_edited() if campaign.validation.asked.derives else {},
        compares_models=MODEL in campaign.variables,
        most_attempts=campaign.attempts.max,
        patches=campaign.attempts.patches,
        attempts=campaign.attempts,
        can_repair=partial(_takes_image, campaign, load_models(campaign.models)),
        takes_mask=partial(_takes_mask, load_models(campaign.models)),
        rewriter=campaign.attempts.rewrite.asker() if campaign.attempts.rewrite else None,
        hold_unknown=campaign.limits.unknown == "hold",
        output_keys=lambda raw_digest: output_keys(raw_digest, step_digests),
        candidate_policy=CandidatePolicy(campaign.candidates.n, campaign.candidates.best),
        ignores_seed=partial(_ignores_seed, load_models(campaign.models)),
    )


def _ignores_seed(table: ModelTable, recipe: Recipe) -> bool:
    model = table.of(recipe)
    return model is not None and model.facts.determinism == "fixed"


def _takes_image(campaign: Campaign, table: ModelTable, state: State) -> bool:
    """Return whether the model of a rejected image takes that image as a reference."""
    settings, model, file = settings_of(state.request.model, campaign), table.of(state.recipe), measured_file(state)
    in_batch = settings.mode == "batch"
    if file is None or not takes_references(provider_class(state.recipe.provider), batch=in_batch):
        return False
    recipe = replace(state.recipe, references=(file.digest,), mask=None)
    found = [] if model is None else problems_of_files(model, [(state.request.name, file)], None)
    if model is not None:  # a run tells of retirement by itself
        found += [*problems_of(model, recipe, date.min), *(problems_in_batch(model, recipe) if in_batch else ())]
    return all(finding.severity is not Severity.ERROR for finding in found)


def _takes_mask(table: ModelTable, state: State) -> bool:
    model = table.of(state.recipe)
    return model is not None and model.facts.mask is True
