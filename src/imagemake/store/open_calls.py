"""Calls that wait in a provider's queue: one small file per key, which names the journal file that has the call.

The file is there before the call is sent, and goes once the call is closed. So whatever kills a process, the next one
finds the call without reading the whole journal. Only the journal says whether the call was submitted and is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagemake.core.recipe import Recipe
from imagemake.core.sealed import read_sealed, write_sealed
from imagemake.store.in_bucket import Claim, bucket_of
from imagemake.store.items import Item
from imagemake.store.journal import Call, calls_in

_DIGITS_OF_KEY = 64


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that waits in a provider's queue.

    Attributes:
        call: The call.
        journal: File of the journal that has the call.
    """

    call: Call
    journal: Path

    @property
    def key(self) -> str:
        """Key of the image."""
        return str(self.call.sent["key"])

    @property
    def ticket(self) -> dict[str, Any]:
        """How to ask for the image, as the provider said."""
        ticket = (self.call.submitted or {}).get("ticket")
        return ticket if isinstance(ticket, dict) else {}

    @property
    def item(self) -> Item:
        """The attempt that it was made for."""
        sent = self.call.sent
        return Item(sent["name"], sent["attempt"], Recipe.from_dict(sent["recipe"]), self.key, "")

    @property
    def server(self) -> tuple[str, str | None]:
        """Name of the provider, and name of the server in recipes."""
        recipe = self.call.sent["recipe"]
        return str(recipe.get("provider")), recipe.get("endpoint")


class OpenCalls:
    """The calls of a store that wait in a provider's queue.

    Args:
        store: Folder of the store.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._folder = store / "open"

    def begin(self, key: str, journal: Path) -> None:
        """Remember where the journal will have a call, before it is sent. The key's claim is held."""
        path = self._folder / key
        write_sealed(path, {"journal": str(journal.relative_to(self._store))}, durable=True)
        if (bucket := bucket_of(self._store)) is not None:
            bucket.send(path)

    def end(self, key: str) -> None:
        """Forget a call that is closed. The key's claim is held."""
        (self._folder / key).unlink(missing_ok=True)
        if (bucket := bucket_of(self._store)) is not None:
            bucket.remove(self._folder / key)

    def may_have(self, key: str) -> bool:
        """Return whether a call for a key may be open; only `find` is sure."""
        return (self._folder / key).exists()

    def find(self, key: str) -> OpenCall | None:
        """Return the open call of a key; None if there is none."""
        return next(self._open_in(self._journals_of(key), {key}), None) if self.may_have(key) else None

    def all(self) -> list[OpenCall]:
        """Return all open calls, in the order of the journal."""
        keys = set(self._keys())
        journals = {journal for key in keys for journal in self._journals_of(key)}
        return list(self._open_in(sorted(journals), keys))

    def sweep(self, claim: Callable[[str], Claim]) -> int:
        """Forget the calls that killed processes closed, or never sent, and return how many those were.

        Args:
            claim: Returns the claim of a key; a key that is claimed is left alone.
        """
        swept = 0
        for key in self._keys():
            held = claim(key)
            if held.acquire(wait=False):
                try:
                    if self.find(key) is None:
                        self.end(key)
                        swept += 1
                finally:
                    held.release(remove=True)
        return swept

    def _keys(self) -> list[str]:
        return [path.name for path in self._folder.glob("*") if len(path.name) == _DIGITS_OF_KEY]

    def _journals_of(self, key: str) -> list[Path]:
        """Return the file of the journal that has the call; all files if the mark is damaged."""
        mark = read_sealed(self._folder / key)
        if mark is not None:
            return [self._store / mark["journal"]]
        return sorted((self._store / "journal").glob("*/*.jsonl")) if self.may_have(key) else []

    @staticmethod
    def _open_in(journals: Iterable[Path], keys: set[str]) -> Iterator[OpenCall]:
        for journal in journals:
            for call in calls_in(journal):
                if call.submitted is not None and call.closed is None and call.sent["key"] in keys:
                    yield OpenCall(call, journal)
