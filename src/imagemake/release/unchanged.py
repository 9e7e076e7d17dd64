"""What a release looks at: the requests that changed, if all others can be told from what is kept of the last one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.plan.asked_about import asks_models
from imagemake.plan.inventory import Inventory
from imagemake.plan.settled.contents import Stamps, Tables, folder_stamps, table_stamps
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.part import Part
from imagemake.plan.settled.part_inventory import PartInventory
from imagemake.plan.settled.recall import recall
from imagemake.plan.settled.settling import Settling, can_settle
from imagemake.plan.state import State
from imagemake.release.credentials.certificate import file_digest
from imagemake.release.images_folder import digest_of_images, noted_images
from imagemake.release.manifest.chunks.kept import Before, kept
from imagemake.release.manifest.sidecars import SUFFIX, files_of
from imagemake.release.record import are_linked, images_digest, read_record
from imagemake.store.layout import IMAGES, chunks_folder, results_folder

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.settled.journal_index import JournalIndex
    from imagemake.plan.target import Target
    from imagemake.release.manifest.row import ManifestRow
    from imagemake.release.released_files import ReleasedBefore
    from imagemake.store.journal import Call
    from imagemake.store.store import Store


@dataclass(slots=True)
class Look:
    """What a release looks at.

    Attributes:
        stamps: When the store's folders and the tables changed last, before the look.
        settling: Looks at rows some at a time; None if `part` and `states` are known at once.
        part: The part of the target that is looked at as one.
        states: Where its requests stand.
        calls: The calls for them; None for the whole journal.
        also_about: What further calls to models are about that count.
        before: The rows of all others; None if all requests are looked at.
        files: The names of the others' files in ``images/``; None if there are no further ones but those of rows that
            do not stand, since nobody changed the folder.
        images: Digest of the names of all files in ``images/``; None if they must be listed.
    """

    stamps: tuple[Stamps, Tables]
    settling: Settling | None = None
    part: Part = field(init=False)
    states: list[State] = field(init=False)
    calls: Iterable[Call] | None = None
    also_about: frozenset[int] = frozenset()
    before: Before | None = None
    files: frozenset[str] | None = frozenset()
    images: str | None = None
    _dropped: set[str] | None = None

    @classmethod
    def at(cls, part: Part, states: list[State], stamps: tuple[Stamps, Tables]) -> Look:
        """Return a look at a part of which is known where it stands."""
        look = cls(stamps)
        look.part, look.states = part, states
        return look

    def settled(self) -> Iterator[list[State]]:
        """Yield where the other requests stand that have no row yet, some at a time; `part` is known afterwards.

        Raises:
            NotRememberedError: If all rows must be looked at as one.
        """
        if self.settling is not None:
            yield from self.settling.settled()
            self.part = self.settling.part()
            self.states, self.settling = self.part.states(), None

    def images_with(self, rows: Iterable[ManifestRow], kept: str, campaign: Campaign) -> str | None:
        """Return the digest of the names of all files once rows are released; None if they must be listed.

        Args:
            rows: The rows of the states.
            kept: Identifies all rows. If they are as before, something else changed.
            campaign: The campaign.
        """
        settled = self.part.settled
        if self.images is None or self.before is None or settled is None or kept == settled.head["kept"]:
            return None
        with_sidecar = bool(campaign.metadata.sidecar)
        new = {name for row in rows for name in files_of(row, with_sidecar=with_sidecar)}
        gone = self.dropped(with_sidecar=with_sidecar)
        return digest_of_images(new - gone, self.images, gone - new)

    def dropped(self, *, with_sidecar: bool) -> set[str]:
        """Return the names of the files in ``images/`` of rows that do not stand."""
        assert self.before is not None
        if self._dropped is None:
            self._dropped = {name for row in self.before.dropped() for name in files_of(row, with_sidecar=False)}
        return self._dropped | {f"{name}{SUFFIX}" for name in self._dropped if with_sidecar}


def look(target: Target, store: Store, work: Path, placed: ReleasedBefore) -> Look:
    """Find where the requests of a target stand, those that changed if the others can be told from what is kept.

    Args:
        target: The target.
        store: The store.
        work: The folder of what is remembered.
        placed: What the released files were made of.
    """
    stamps, is_told_by_rows = _stamps(store, work), _is_told_by_rows(target.campaign)
    part = recall(target, store, work) if is_told_by_rows else None
    if part is not None and isinstance(part.inventory, PartInventory) and _knows_calls(part.inventory.index, target):
        with suppress(NotRememberedError):
            found = Look.at(part, part.states(), stamps)
            keys = {key for state in found.states for key in (state.key, *(past.key for past in state.past))}
            index, found.before = part.inventory.index, _before(part, target, work)
            found.calls = chain(index.calls(keys), index.asking_calls())
            found.also_about = frozenset(part.settled.about["half"].tolist()) if part.settled else frozenset()
            noted = _noted(target, part)
            found.images = None if are_linked(target.campaign) else noted
            found.files = None if noted is not None else _kept_files(found.before, target, placed)
            return found
    inventory = Inventory(store, work)
    if is_told_by_rows and not asks_models(target.campaign) and can_settle(target, inventory):
        return Look(stamps, Settling(target, inventory))
    return look_at_all(target, store, work)


def look_at_all(target: Target, store: Store, work: Path) -> Look:
    """Find where all requests of a target stand."""
    stamps, part = _stamps(store, work), Part.whole(target, Inventory(store, work))
    return Look.at(part, part.states(), stamps)


def _stamps(store: Store, work: Path) -> tuple[Stamps, Tables]:
    return folder_stamps(store, time.time_ns()), table_stamps(work, store)


def _is_told_by_rows(campaign: Campaign) -> bool:
    """Return whether rows tell all of a release: not what several images make."""
    return not (campaign.postprocess.sheets or campaign.release.exports)


def _knows_calls(index: JournalIndex, target: Target) -> bool:
    """Return whether it is remembered which calls to models, if there are any, are about settled requests."""
    return asks_models(target.campaign) or not index.asks()


def _before(part: Part, target: Target, work: Path) -> Before:
    """Return the rows of settled requests.

    Raises:
        NotRememberedError: If they are not the settled ones, or signed by another certificate.
    """
    assert part.settled is not None
    digest = part.settled.head["kept"]
    record = read_record(results_folder(target.scope))
    if record.get("unsigned") or record.get("certificate") != file_digest(target.campaign.c2pa) or digest is None:
        raise NotRememberedError(digest)
    chunks = kept(digest, chunks_folder(work, target.scope))
    before = Before.of(chunks, part.settled.names, part.settled.renumbered)
    if not before.chunks or before.n_kept != part.n_settled:
        raise NotRememberedError(digest)
    return before


def _noted(target: Target, part: Part) -> str | None:
    """Return the digest of the folder of images if it is as the last release left it.

    Its time tells which files it has. Files that are links to the store are looked at one by one: who changes one of
    them changes the store.
    """
    assert part.settled is not None
    noted = noted_images(part.inventory.work, target.scope, part.settled.head["kept"])
    if not are_linked(target.campaign):
        return noted
    folder = results_folder(target.scope)
    return noted if read_record(folder)["images"] == images_digest(target.campaign, folder) else None


def _kept_files(before: Before, target: Target, placed: ReleasedBefore) -> frozenset[str]:
    """Return the names of the files of rows that stand.

    Raises:
        NotRememberedError: If one is missing, or not as it was released.
    """
    folder, with_sidecar = results_folder(target.scope), bool(target.campaign.metadata.sidecar)
    found: set[str] = set()
    for row in before.standing():
        if not all(placed.keep(folder / IMAGES / name) for name in files_of(row, with_sidecar=False)):
            raise NotRememberedError(row.name)
        found.update(files_of(row, with_sidecar=with_sidecar))
    return frozenset(found)
