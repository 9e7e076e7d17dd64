"""What exists, as far as the requests that need a look ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from imagemake.plan.inventory import Inventory, JournalFacts
from imagemake.plan.settled.journal_index import JournalIndex
from imagemake.plan.settled.rows import Settled
from imagemake.plan.settled.sections import short_hex
from imagemake.store.items import ItemFailure
from imagemake.store.kept_measures import kept_rows
from imagemake.store.layout import JUDGED, VALIDATED
from imagemake.store.store import ContentStore, Store, StoredFile
from imagemake.store.tables import intact_rows


class PartInventory(Inventory):
    """What exists, as far as it is new or was remembered. Files of the store are looked up when they are asked for.

    Args:
        store: The store.
        work: The folder of the tables.
        settled: What was remembered.
        tables: Paths of the tables that are new.
        journal: The index of the journal.
    """

    def __init__(self, store: Store, work: Path, settled: Settled, tables: list[str], journal: JournalIndex) -> None:
        self.store, self.work = store, work
        self.raw, self.finished = _Lookup(store.raw), _Lookup(store.finished)
        self._settled, self._tables, self.index = settled, tables, journal
        self._reads_all = False

    @cached_property
    def journal(self) -> JournalFacts:
        """What the journal says about keys without an image."""
        return self.index.facts()

    @cached_property
    def _new_measures(self) -> dict[str, dict[str, Any]]:
        """The values read from the images that are not settled, by digest and then by measure identity."""
        found: dict[str, dict[str, Any]] = {digest: dict(one) for digest, one in self._settled.head["measures"].items()}
        for row in (*self._rows(VALIDATED), *self._rows(JUDGED)):
            if "raw" in row and "measures" in row:
                found.setdefault(row["raw"]["digest"], {}).update(row["measures"])
        return found

    def measured(self, digest: str) -> dict[str, Any]:
        """Return the values read from a raw image so far.

        Those of an image that was settled, or that no request stood at, are in a table that is not new, at least some.
        """
        is_known = digest in self._settled.head["measures"]
        is_new = digest in self._new_measures and short_hex(digest) not in self._settled.digests_before
        if not (is_known or is_new or self._reads_all):
            self._reads_all = True
            for name in ("_new_measures", "_postprocess_failures"):
                self.__dict__.pop(name, None)
        return self._new_measures.get(digest, {})

    @cached_property
    def _postprocess_failures(self) -> tuple[dict[str, ItemFailure], dict[str, set[str]]]:
        failures, outputs = super()._postprocess_failures
        known = {key: ItemFailure.from_dict(one) for key, one in self._settled.head["failed"].items()}
        before = {digest: set(labels) for digest, labels in self._settled.head.get("postprocessed", {}).items()}
        for digest, labels in outputs.items():
            before.setdefault(digest, set()).update(labels)
        return known | failures, before

    def _rows(self, stage: str) -> Iterator[dict[str, Any]]:
        if not self._reads_all:
            folder = f"{self.work / stage}/"
            yield from intact_rows(Path(path) for path in self._tables if path.startswith(folder))
            return
        settled = frozenset(self._settled.raw["digest"].tolist())
        for row in chain(kept_rows(self.store), self._of_tables(stage)):
            if "raw" not in row or short_hex(row["raw"]["digest"]) not in settled:
                yield row


class _Lookup(dict[str, StoredFile]):
    """Files of a content store by key, one folder at a time, each listed once."""

    def __init__(self, store: ContentStore) -> None:
        super().__init__()
        self._store, self._listed = store, set[str]()

    def get(self, key: str, default: Any = None) -> Any:
        if key[:2] not in self._listed:
            self._listed.add(key[:2])
            for stored in self._store.in_folder(key[:2]):
                other = super().get(stored.key)
                if other is None or stored.digest < other.digest:
                    self[stored.key] = stored
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None
