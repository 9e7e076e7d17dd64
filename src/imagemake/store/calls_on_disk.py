"""The calls of a journal by key, on disk: with their recipes, those of a large project fill the memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from imagemake.core.on_disk import OnDisk
from imagemake.store.journal import Call


class CallsOnDisk:
    """Keeps some fields of calls. First add all of them, then look them up.

    Args:
        of_sent: Fields to keep of the record before a call, beside those that tell how it ended.
        of_closed: Fields to keep of the record after it, beside these.
    """

    def __init__(self, of_sent: Iterable[str], of_closed: Iterable[str]) -> None:
        self._of_sent, self._of_closed = (*of_sent, "submission"), (*of_closed, "outcome")
        self._kept = OnDisk()

    def add(self, call: Call) -> None:
        """Add a call."""
        closed = None if call.closed is None else only(call.closed, self._of_closed)
        self._kept.add(call.sent["key"], [only(call.sent, self._of_sent), closed, call.submitted])

    def of(self, key: str) -> list[Call]:
        """Return the calls for a key, in the order in which they were added."""
        return [Call(*records) for records in self._kept.of(key)]


def only(record: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return some fields of a record, as far as it has them."""
    return {name: record[name] for name in names if name in record}
