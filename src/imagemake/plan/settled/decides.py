"""What decides where requests stand beside the rows, the store, and the journal; and which campaigns are remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagemake.plan.batches import shown_settings
from imagemake.plan.edited_questions import read_edited
from imagemake.plan.requests.file_names import FileNames
from imagemake.stages.validate.earlier_releases import digests

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign

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
        "questions": read_edited() if campaign.validation.asked.derives else {},
    }


def looks_at_rows_alone(campaign: Campaign) -> bool:
    """Return whether rows can be planned without the others, but for near-duplicates and names.

    Rules that must apply to some row, and whatever puts images of several rows together, need all of them. A store in a
    bucket is listed as a whole in any case.
    """
    together = (
        campaign.store.remote,
        campaign.only,
        campaign.exclude,
        campaign.include,
        campaign.model_rules,
        campaign.postprocess.sheets,
        campaign.release.exports,
        campaign.validation.consistency,
        campaign.validation.all_checks().columns,
    )
    return not any(together) and FileNames(campaign).is_plain
