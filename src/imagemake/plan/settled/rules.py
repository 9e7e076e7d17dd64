"""Rows that stand for rules: each rule of a campaign must apply to one row at least, so a part has one for each."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from imagemake.config.checks import MODEL
from imagemake.plan.requests.expand import rows_of_rules
from imagemake.plan.requests.file_names import FileNames
from imagemake.plan.requests.references import REFERENCES
from imagemake.plan.requests.selection import within

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.requests.request import Request
    from imagemake.plan.target import Target

MOST_ROWS = 1_000  # above that, looking at them gains nothing


def needs_rows(campaign: Campaign, columns: Collection[str]) -> bool:
    """Return whether a mistake in some rows of a campaign may be none with all of them, or needs them to be told."""
    rules = (campaign.only, campaign.exclude, campaign.include, campaign.model_rules)
    together = (campaign.postprocess.sheets, campaign.release.exports, campaign.references, REFERENCES in columns)
    return any((*rules, *together)) or not FileNames(campaign).is_plain


def rows_for_rules(target: Target) -> set[int]:
    """Return the numbers of some rows of a target to which all rules apply that apply to any row."""
    campaign, requests = target.campaign, target.everything
    found = set(rows_of_rules(campaign, target.rows, files=target.files))
    for pattern in campaign.only:
        names = within(campaign.model_copy(update={"only": (pattern,)}), requests)
        found.add(next(request.row for request in requests if request.name in names))
    columns = campaign.validation.all_checks().columns
    return found | set(_first_rows(requests, columns)) if columns else found


def _first_rows(requests: list[Request], columns: tuple[str, ...]) -> Iterator[int]:
    seen = set[tuple[object, ...]]()
    for request in requests:
        values = tuple(tuple(request.labels) if name == MODEL else request.variables.get(name) for name in columns)
        if values not in seen:
            seen.add(values)
            yield request.row
