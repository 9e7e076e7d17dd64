"""The measured values of an image as JSON, read whenever they are asked for: those of all take half of the memory."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any

import orjson


class PackedMeasures(Mapping[str, dict[str, Any]]):
    """Values by measure identity.

    Args:
        values: The values, plain data of JSON.
    """

    __slots__ = ("_data",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._data = orjson.dumps(dict(values)).decode()  # its own bytes leave gaps in memory

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
        values: dict[str, dict[str, Any]] = orjson.loads(self._data)
        return values
