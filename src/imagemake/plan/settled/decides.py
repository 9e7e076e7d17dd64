"""What decides where requests stand beside the rows, the store, and the journal; and which campaigns are remembered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from imagemake.plan.edited_questions import read_edited
from imagemake.plan.shown import shown_settings
from imagemake.plugins.steps import step_class
from imagemake.plugins.weights import with_weights
from imagemake.stages.validate.earlier_releases import digests

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.outputs import Postprocess

STATES_VERSION = 4  # raised when the same images, measures, and campaign can give other states


def what_decides(campaign: Campaign) -> dict[str, Any]:
    """Return all of it as plain data."""
    duplicates = campaign.validation.near_duplicates
    return {
        "states": STATES_VERSION,
        "campaign": shown_settings(campaign),
        "unknown": campaign.limits.unknown,
        "measures": campaign.validation.identities(),
        "earlier": digests(duplicates.earlier) if duplicates else {},
        "steps": list(_settings_of_steps(campaign.postprocess)),
        "questions": read_edited() if campaign.validation.asked.derives else {},
    }


def _settings_of_steps(postprocess: Postprocess) -> Iterator[Mapping[str, Any]]:
    """Yield the settings of all steps, with digests of the user's networks."""
    for step in (step for label in postprocess.outputs() for step in postprocess.steps_of(label)):
        yield with_weights(step_class(step.name), step.name, step.model_dump(mode="json")["settings"])


def is_remembered(campaign: Campaign) -> bool:
    """Return whether rows are remembered. A store that is itself in a bucket is listed as a whole in any case."""
    return campaign.store.whole is None
