"""The measured values of images in a temporary file, since those of all take a third of the memory."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from pathlib import Path
from typing import Any

from imagemake.core.on_disk import OnDisk
from imagemake.plan.inventory import Inventory
from imagemake.store.items import Measured
from imagemake.store.store import Store


class KeptValues(Mapping[str, dict[str, Any]]):
    """The values of an image by measure identity, read whenever they are asked for.

    Args:
        kept: The values of all images.
        place: The image's key among these.
    """

    __slots__ = ("_kept", "_place")

    def __init__(self, kept: OnDisk, place: str) -> None:
        self._kept, self._place = kept, place

    def __getitem__(self, identity: str) -> dict[str, Any]:
        return self._values()[identity]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def items(self) -> ItemsView[str, dict[str, Any]]:
        """Return all of them, read once."""
        return self._values().items()

    def _values(self) -> dict[str, dict[str, Any]]:
        values: dict[str, dict[str, Any]] = self._kept.of(self._place)[0]
        return values


class KeepingInventory(Inventory):
    """An inventory for states that stay in memory: their values do not."""

    def __init__(self, store: Store, work: Path) -> None:
        super().__init__(store, work)
        self._kept, self._n_kept = OnDisk(), 0

    def held(self, measured: Measured) -> Measured:
        """Return the values to keep in a state, which are in a temporary file from now on."""
        if not measured:
            return measured
        self._n_kept += 1
        place = str(self._n_kept)
        self._kept.add(place, dict(measured))
        return KeptValues(self._kept, place)
