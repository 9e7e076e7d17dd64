"""Looks at all rows of a target, some at a time: of what is settled, only what tells it apart stays in memory.

That needs rows that nothing puts together. Where much is open, or belongs together, all rows are looked at at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from imagemake.config.fields import CONFIG
from imagemake.core.problems import UserError
from imagemake.plan.policy import policy_of
from imagemake.plan.requests.bounds import check_number
from imagemake.plan.requests.expand import expand
from imagemake.plan.requests.model_files import models_with_files
from imagemake.plan.resolve import resolve
from imagemake.plan.reviews import REVIEWS, read_reviews
from imagemake.plan.settled.contents import (
    MOST_OPEN,
    is_settled,
    prints_in,
    raw_digests,
    references_of,
    rows_section,
    sections_of,
)
from imagemake.plan.settled.decides import is_remembered
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.part import Part
from imagemake.plan.settled.recall import opened
from imagemake.plan.settled.rows import Settled
from imagemake.plan.settled.rules import needs_rows
from imagemake.plan.settled.sections import Section
from imagemake.plan.state import State
from imagemake.store.layout import ALL

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.target import Target

ROWS_AT_ONCE = 1_024


class Settling:
    """Looks at a target.

    Args:
        target: The target, for which `can_settle` holds.
        inventory: What exists.
    """

    def __init__(self, target: Target, inventory: Inventory) -> None:
        self._target, self._inventory = target, inventory
        self._open_places: set[int] = set()
        self._digests: set[str] = set()  # of the images of open rows
        self._references: dict[str, str] = {}
        self._models: dict[str, list[Any]] = {}
        self._sections: dict[str, list[bytes]] = {}

    def settled(self) -> Iterator[list[State]]:
        """Yield where the requests of rows stand that are settled by themselves, some rows at a time.

        Raises:
            NotRememberedError: If too many are not, or if rows have mistakes.
        """
        campaign, start = self._target.campaign, 0
        policy, reviews = policy_of(campaign), read_reviews(REVIEWS)
        for rows in self._target.catalog.in_groups(ROWS_AT_ONCE):
            place_of = {row.number: place for place, row in enumerate(rows, start)}
            try:
                requests = expand(campaign, rows, files=self._target.files)
            except UserError:
                raise NotRememberedError from None  # a look at all rows tells their mistakes
            states = resolve(requests, self._inventory, policy, reviews, self._target.made_at)
            left = [state for state in states if not is_settled(state, campaign)]
            open_rows = {state.request.row for state in left}
            if not start:
                open_rows.add(rows[0].number)  # a part has a row even if none needs a look
            settled = [state for state in states if state.request.row not in open_rows]
            self._digests |= raw_digests(state for state in states if state.request.row in open_rows)
            self._references |= references_of(settled)
            self._models |= models_with_files(state.request for state in settled)
            for name, section in sections_of([(place_of[one.request.row], one) for one in settled], campaign).items():
                self._sections.setdefault(name, []).append(section.tobytes())
            self._open_places.update(map(place_of.__getitem__, open_rows))
            start += len(rows)
            if len(self._open_places) > MOST_OPEN * start:
                raise NotRememberedError
            yield settled

    def part(self) -> Part:
        """Return the part that is left to look at, once all of `settled` was looked at.

        Raises:
            NotRememberedError: If too much is left, or if two images have one name.
        """
        import numpy as np

        target, campaign = self._target, self._target.campaign
        records = target.catalog.records
        head: dict[str, Any] = {
            "columns": list(records.columns),
            "for_rules": [],
            "spare": [],
            "references": self._references,
            "models": self._models,
        }
        sections: dict[str, Section] = {name: b"".join(self._sections.pop(name)) for name in [*self._sections]}
        sections["rows"] = rows_section(records, self._open_places).data
        settled = Settled(head, sections, records, ())
        if duplicates := campaign.validation.near_duplicates:
            settled.open_alike(prints_in(map(self._inventory.measured, self._digests), campaign), duplicates)
        part = opened(target, settled)
        if part is None or len(np.unique(settled.names)) < len(settled.names):
            raise NotRememberedError
        return Part(part, self._inventory, settled.open_places, settled)


def can_settle(target: Target, inventory: Inventory) -> bool:
    """Return whether rows can be looked at some at a time, and whether that may gain something.

    Raises:
        UserError: If they are too many.
    """
    campaign, n_rows = target.campaign, len(target.catalog.records.numbers)
    together = (
        campaign.validation.consistency,
        campaign.validation.all_checks().columns,
        needs_rows(campaign, target.catalog.records.columns),
    )
    has_most = len(inventory.finished) > MOST_OPEN * n_rows
    is_whole = target.scope == ALL and is_remembered(campaign) and not any(together)
    if not (is_whole and n_rows > ROWS_AT_ONCE and has_most):
        return False
    check_number(campaign, n_rows, CONFIG)
    return True


def settled_part(target: Target, inventory: Inventory) -> Part | None:
    """Return the part of a target that is left to look at; None if all rows must be looked at at once.

    Raises:
        NotRememberedError: If that shows only now.
    """
    if not can_settle(target, inventory):
        return None
    settling = Settling(target, inventory)
    for _ in settling.settled():
        pass
    return settling.part()
