"""What a release has of requests that need no look: their rows, and their files, which are there as they were."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from imagemake.config.fields import MAIN
from imagemake.images.formats import FORMATS
from imagemake.plan.batches import policy_of
from imagemake.plan.inventory import Inventory
from imagemake.plan.requests.names import folded
from imagemake.plan.settled.contents import Stamps, Tables, folder_stamps, table_stamps
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.part import Part
from imagemake.plan.settled.part_inventory import PartInventory
from imagemake.plan.settled.recall import recall
from imagemake.plan.settled.sections import short
from imagemake.plan.state import State
from imagemake.release.kept_rows import KeptRow, kept_rows
from imagemake.release.manifest.sidecars import SUFFIX
from imagemake.store.layout import results_folder
from imagemake.store.store import StoredFile

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.target import Target
    from imagemake.release.released_files import ReleasedBefore
    from imagemake.store.journal import Call
    from imagemake.store.store import Store


@dataclass(slots=True)
class Look:
    """What a release looks at.

    Attributes:
        part: The part of the target that needs a look.
        states: Where its requests stand.
        stamps: When the store's folders and the tables changed last, before the look.
        calls: The calls for them; None for the whole journal.
        kept: The rows of all others.
    """

    part: Part
    states: list[State]
    stamps: tuple[Stamps, Tables]
    calls: Iterable[Call] | None = None
    kept: list[KeptRow] = field(default_factory=list)
    n_settled: int = 0
    names: frozenset[str] = frozenset()
    shown: bytes = b""

    def kept_files(self) -> set[str]:
        """Return the names of the others' files in ``images/``."""
        names = {PurePosixPath(one.row.file).name for one in self.kept if one.row.file}
        has_sidecars = self.part.target.campaign.metadata.sidecar
        return names | {f"{name}{SUFFIX}" for name in names} if has_sidecars else names

    def forget(self) -> dict[str, StoredFile]:
        """Forget what was read, but for what the record shows; return the finished images of the others, by name."""
        campaign = self.part.target.campaign
        keys_of, extension = policy_of(campaign).output_keys, FORMATS[campaign.postprocess.output.format].extension
        finished = {
            row.name: StoredFile(keys_of(row.raw_digest)[MAIN], row.finished_digest, extension)
            for row, _, _ in self.kept
            if row.raw_digest and row.finished_digest
        }
        self.n_settled, self.names = self.part.n_settled, self.part.target.names
        self.shown, self.kept = self.part.shown(self.states), []
        del self.part
        return finished


def look(target: Target, store: Store, work: Path, placed: ReleasedBefore) -> Look:
    """Find where the requests of a target stand, those that changed if the others can be told from what is kept.

    Args:
        target: The target.
        store: The store.
        work: The folder of what is remembered.
        placed: What the released files were made of; those of the others are kept in it.
    """
    stamps = folder_stamps(store, time.time_ns()), table_stamps(work, store)
    part = recall(target, store, work) if _is_told_by_rows(target.campaign) else None
    if part is not None and isinstance(part.inventory, PartInventory) and not part.inventory.index.asks():
        with suppress(NotRememberedError):
            states = part.states()
            keys = {key for state in states for key in (state.key, *(past.key for past in state.past))}
            kept = _kept(part, target, work, placed)
            return Look(part, states, stamps, part.inventory.index.calls(keys), kept)
    part = Part.whole(target, Inventory(store, work))
    return Look(part, part.states(), stamps)


def _is_told_by_rows(campaign: Campaign) -> bool:
    """Return whether rows tell all of a release: not what asking cost, nor what a certificate decides."""
    asks = (campaign.validation.asked.askers, campaign.attempts.rewrite, campaign.prompts.asker)
    return campaign.c2pa is None and not any(asks)


def _kept(part: Part, target: Target, work: Path, placed: ReleasedBefore) -> list[KeptRow]:
    """Return the rows of settled requests.

    Raises:
        NotRememberedError: If one is missing, or its file is not as it was released.
    """
    assert part.settled is not None
    digest, wanted = part.settled.head["kept"], frozenset(part.settled.names.tolist())
    if digest is None:
        raise NotRememberedError
    moved = part.settled.renumbered
    rows = [
        one._replace(row=replace(one.row, catalog_row=moved[one.row.catalog_row]))
        if one.row.catalog_row in moved
        else one
        for one in kept_rows(digest, work, target.made_at)
        if short(folded(one.row.name)) in wanted
    ]
    folder = results_folder(target.scope)
    if len(rows) != part.n_settled or not all(one.row.file and placed.keep(folder / one.row.file) for one in rows):
        raise NotRememberedError
    return rows
