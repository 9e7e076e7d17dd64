"""Writes down at the end of a release which rows are settled: all their images are accepted, at once and for good.

What is written tells a later plan whether that still holds without looking at these rows: the digest of each row, the
names of their files in the store, and what their images are compared by. It lies in ``work/`` and may be deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake import __version__
from imagemake.core.fingerprint import fingerprint
from imagemake.plan.across import phash_of
from imagemake.plan.reviews import REVIEWS, read_reviews
from imagemake.plan.settled.contents import (
    MOST_OPEN,
    VERSION,
    Stamps,
    Tables,
    is_settled,
    journal_index,
    prints_in,
    raw_digests,
    references_of,
    review_section,
    rows_section,
    sections_of,
    settled_file,
)
from imagemake.plan.settled.decides import is_remembered, what_decides
from imagemake.plan.settled.rules import MOST_ROWS, rows_for_rules
from imagemake.plan.settled.sections import write_sections
from imagemake.plan.state import Stage, State
from imagemake.store.layout import ALL

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.settled.part import Part
    from imagemake.plan.target import Target


def forget(work: Path) -> None:
    """Forget what is settled, so that the next plan looks at every row."""
    settled_file(work).unlink(missing_ok=True)


def remember(
    target: Target, part: Part, states: Sequence[State], stamps: tuple[Stamps, Tables], kept: str | None = None
) -> None:
    """Write down what is settled.

    Args:
        target: The whole campaign.
        part: The part of it that was looked at; nothing else changed.
        states: Where its requests stand, in order.
        stamps: From `folder_stamps` and `table_stamps`, before the part was looked at.
        kept: The digest of the rows of the manifest that are kept; None if none are.
    """
    inventory, campaign, records = part.inventory, target.campaign, target.catalog.records
    work, n_rows = inventory.work, len(records.numbers)
    if target.scope != ALL or not is_remembered(campaign):
        forget(work)
        return
    places = part.places_of(states)
    open_places = {place for place, state in zip(places, states, strict=True) if not is_settled(state, campaign)}
    open_places |= _compared(states, places, campaign)
    open_places |= _alike(states, places, open_places, inventory, campaign)
    for_rules = rows_for_rules(part.target)
    if len(open_places) > MOST_OPEN * n_rows or len(for_rules) > MOST_ROWS:
        forget(work)
        return
    journal_index(inventory.store, work).update()
    spare = _spare(states, places, open_places)
    in_rules = [place for place, row in zip(part.places, part.target.rows, strict=True) if row.number in for_rules]
    again = open_places.union(spare, in_rules)
    left = [state for place, state in zip(places, states, strict=True) if place in again]
    digests = raw_digests(left)
    head: dict[str, Any] = {
        "version": VERSION,
        "decides": fingerprint([__version__, what_decides(campaign)]),
        "columns": records.columns,
        "spare": spare,
        "for_rules": in_rules,
        "folders": stamps[0],
        "tables": stamps[1],
        "references": {**(part.settled.head["references"] if part.settled else {}), **references_of(states)},
        "models": part.models(states),
        "measures": {digest: inventory.measured(digest) for digest in digests},
        "failed": {},
        "postprocessed": {},
        "kept": kept,
    }
    if any(state.is_accepted and state.stage is not Stage.DONE for state in left):
        before = inventory.postprocessed_before
        head["failed"] = {key: one.as_dict() for key, one in inventory.failed_outputs.items()}
        head["postprocessed"] = {digest: sorted(before[digest]) for digest in digests if digest in before}
    sections = {
        **part.merged(sections_of([*zip(places, states, strict=True)], campaign)),
        "rows": rows_section(records, open_places),
        "reviews": review_section(read_reviews(REVIEWS)),
    }
    write_sections(settled_file(work), head, {name: section.data for name, section in sections.items()})


def _compared(states: Sequence[State], places: Sequence[int], campaign: Campaign) -> set[int]:
    """Return the places of images that people decided about: a release compares them with what a judge said."""
    reviews = read_reviews(REVIEWS) if campaign.validation.asked.askers else {}
    both = zip(places, states, strict=True) if reviews else ()
    return {place for place, one in both if any(key in reviews for key in (one.key, *(past.key for past in one.past)))}


def _spare(states: Sequence[State], places: Sequence[int], open_places: Collection[int]) -> list[int]:
    """Return the place of a settled row that needs no other one, so that a part has a row even if none needs a look."""
    needs = {place for place, one in zip(places, states, strict=True) if one.parents or one.review}
    return [place for place in places if place not in open_places and place not in needs][:1]


def _alike(
    states: Sequence[State], places: Sequence[int], open_places: Collection[int], inventory: Inventory, of: Campaign
) -> set[int]:
    """Return the places of images that look like one that is open: they are decided together."""
    duplicates = of.validation.near_duplicates
    if not duplicates or not open_places:
        return set()
    from imagemake.stages.validate.prints import Alike

    both = list(zip(places, states, strict=True))
    settled = [(place, one.measured) for place, one in both if place not in open_places and phash_of(one)]
    digests = raw_digests(one for place, one in both if place in open_places)
    left = prints_in(map(inventory.measured, digests), of)
    found = set[int]()
    for _, near in Alike.by(duplicates).pairs(left, prints_in((measured for _, measured in settled), of)):
        found.update(settled[row][0] for row in near.tolist())
    return found
